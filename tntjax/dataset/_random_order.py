"""Random numbers that are a function of a key and a position, on host and device.

A Feistel network of 32-bit words makes of each pair of words another, one to one. It
takes only operators and words that NumPy and devices share: the numbers are the same.
"""

import functools
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from tntjax._struct import flag, pytree, static
from tntjax.dataset._protocol import MOST_ON_DEVICE, beyond_device, traced_on_host

ROUNDS = 12
"""Fewer leave traces in permutations of ten numbers, more only cost time."""


def round_keys(seed: int, purpose: int) -> np.ndarray:
    """Returns the key of a seed, [ROUNDS] uint32, another one for each purpose."""
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose,))
    return sequence.generate_state(ROUNDS)


def split_words(positions: Any, low_bits: int) -> tuple[Any, Any]:
    """Cuts unsigned integers into a high and a low word, uint32 both."""
    low = positions & ((1 << low_bits) - 1)
    return (positions >> low_bits).astype(np.uint32), low.astype(np.uint32)


def scramble(
    keys: Any, high: Any, low: Any, high_bits: int = 32, low_bits: int = 32
) -> tuple[Any, Any]:
    """Maps pairs of words of so many bits one to one, as the keys say."""
    high_mask = np.uint32((1 << high_bits) - 1)
    low_mask = np.uint32((1 << low_bits) - 1)
    for turn in range(0, ROUNDS, 2):
        high = high ^ (_mix(low ^ keys[turn]) & high_mask)
        low = low ^ (_mix(high ^ keys[turn + 1]) & low_mask)
    return high, low


def _mix(word: Any) -> Any:
    """Hashes 32 bits one to one (Wellons' lowbias32)."""
    word = (word ^ (word >> 16)) * np.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * np.uint32(0x846CA68B)
    return word ^ (word >> 16)


@pytree
class KeyedOrder:
    """Random indices below a length, computed where they are asked for.

    Without replacement the words have just the bits of the length, so that the network
    permutes all numbers of as many bits, and what lies beyond the length is mapped
    again until it does not: this walks along the cycles and leaves a permutation. With
    replacement the words are whole, and are drawn again until their last bits fit.
    """

    keys: Any
    length: int = static()
    size: int = static()
    replacement: bool = flag(default=False)

    def __len__(self) -> int:
        return self.size

    def look_up(self, positions: Any, name: str) -> Any:
        """Returns the indices at positions of any shape, for the dataset `name`."""
        traced = isinstance(positions, Tracer)
        if traced and isinstance(self.keys, np.ndarray):
            raise traced_on_host(name)
        arrays = isinstance(positions, jax.Array) or isinstance(self.keys, jax.Array)
        if arrays and max(self.length, self.size) <= MOST_ON_DEVICE:
            return _look_up_on_device(self, positions)
        if traced:
            raise beyond_device(name, max(self.length, self.size))
        return self._look_up_on_host(np.asarray(self.keys), np.asarray(positions))

    def _look_up_on_host(self, keys: np.ndarray, positions: np.ndarray) -> np.ndarray:
        flat = positions.reshape(-1).astype(np.uint64)
        high, low = self.turn_words(keys, *self.to_words(flat))
        index = self.join_words(high, low, np.uint64)
        again = np.flatnonzero(index >= self.length)
        while again.size:
            high[again], low[again] = self.turn_words(keys, high[again], low[again])
            index[again] = self.join_words(high[again], low[again], np.uint64)
            again = again[index[again] >= self.length]
        return index.astype(np.int64).reshape(positions.shape)

    @property
    def bits(self) -> tuple[int, int]:
        """The bits of an index, in a high and a low part."""
        bits = (self.length - 1).bit_length()
        return bits - bits // 2, bits // 2

    def to_words(self, positions: Any) -> tuple[Any, Any]:
        """Splits positions into words."""
        return split_words(positions, 31 if self.replacement else self.bits[1])

    def turn_words(self, keys: Any, high: Any, low: Any) -> tuple[Any, Any]:
        """Applies the permutation once."""
        return scramble(keys, high, low, *((32, 32) if self.replacement else self.bits))

    def join_words(self, high: Any, low: Any, kind: type) -> Any:
        """Joins the last bits of words to a number, which may lie beyond the length."""
        high_bits, low_bits = self.bits
        if self.replacement:
            high = high & np.uint32((1 << high_bits) - 1)
            low = low & np.uint32((1 << low_bits) - 1)
        return (high.astype(kind) << low_bits) | low.astype(kind)


@functools.partial(jax.jit, inline=True)
def _look_up_on_device(order: KeyedOrder, positions: Any) -> Any:
    """Looks up in words of 32 bits; what is out of range would never come home."""
    inside = positions.clip(0, order.size - 1).astype(np.uint32)
    length = np.uint32(order.length)

    def beyond(words: tuple[Any, Any]) -> Any:
        high, low = words
        return order.join_words(high, low, np.uint32) >= length

    def turn(words: tuple[Any, Any]) -> tuple[Any, ...]:
        turn_words = order.turn_words(order.keys, *words)
        return tuple(map(jax.lax.select, [beyond(words)] * 2, turn_words, words))

    words = order.turn_words(order.keys, *order.to_words(inside))
    high, low = jax.lax.while_loop(lambda words: beyond(words).any(), turn, words)
    return order.join_words(high, low, np.uint32).astype(np.int32)
