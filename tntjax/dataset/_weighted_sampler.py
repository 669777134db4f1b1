"""weighted_sampler: samples drawn in proportion to weights."""

from typing import Any, ClassVar

import jax
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._numbers import check_at_least, find_outside
from tntjax._struct import describe, pytree, static
from tntjax._types import Dataset
from tntjax.dataset._protocol import MOST_ON_DEVICE
from tntjax.dataset._random_order import round_keys, scramble, split_words


def weighted_sampler(weights: ArrayLike, seed: int) -> "WeightedSampler":
    """Makes a sampler for `ResampleDataset` that draws in proportion to weights.

    Each position is drawn on its own, with replacement.

    Args:
      weights: [N] finite and not negative, one for each sample; they need not sum to 1.
      seed: a non-negative integer; which sample comes where is a function of it, of the
        weights and of the position, and of nothing else.

    Returns:
      The sampler, a pytree whose leaves are the key and the weights summed up: on a
      device a new seed compiles nothing. Its draws there are those of the host.

    Raises:
      TypeError: if `weights` are not numbers, or the seed is not an integer.
      ValueError: if `weights` are not [N], one is negative or not finite, all are 0, or
        the seed is negative.

    Example:
      >>> from tntjax.dataset import ResampleDataset
      >>> rare_and_common = weighted_sampler([9, 1, 0], seed=0)
      >>> samples = ResampleDataset("abc", rare_and_common, size=1000)
      >>> [list(samples).count(letter) for letter in "abc"]
      [890, 110, 0]

    Torchnet has no counterpart; its `ResampleDataset` takes such functions.
    """
    seed = check_at_least("weighted_sampler: seed", seed, 0)
    given = np.asarray(as_array(weights))
    if not np.can_cast(given.dtype, np.longdouble):  # bfloat16 can
        raise TypeError(f"weighted_sampler needs numbers, got {describe(given)}.")
    if given.ndim != 1:
        raise ValueError(f"weighted_sampler needs weights [N], got {describe(given)}.")
    given = given.astype(np.result_type(given, np.float64))
    if not np.isfinite(given).all() or (given < 0).any() or not given.any():
        raise ValueError(
            "weighted_sampler needs finite weights >= 0 that are not all 0, got"
            f" {given.min(initial=0):g} to {given.max(initial=0):g}."
        )
    keys = round_keys(seed, purpose=2)
    return WeightedSampler(keys, *_find_borders(given), len(given))


@pytree
class WeightedSampler:
    """The sampler of `weighted_sampler`: `(dataset, indices) -> indices`.

    `high` and `low` are the halves of the borders between samples on a scale of 2**64;
    the last sample that has a weight needs none.
    """

    keys: Any
    high: Any  # [L] uint32
    low: Any  # [L] uint32
    length: int = static()
    batched: ClassVar[bool] = True

    def __call__(self, dataset: Dataset, index: Any) -> Any:
        if len(dataset) != self.length:
            raise ValueError(
                f"weighted_sampler got {self.length} weights, but there are"
                f" {len(dataset)} samples. Give one weight for each."
            )
        traced = isinstance(index, jax.Array)
        index = index if traced else np.asarray(index)
        if not traced and find_outside(index, MOST_ON_DEVICE) is not None:
            self = jax.device_get(self)  # as a device has words of 32 bits
        host = not traced and not isinstance(self.keys, jax.Array)
        wide = host or (traced and index.dtype.itemsize == 8)  # with `jax_enable_x64`
        word, kind = (np.uint64, np.int64) if wide else (np.uint32, np.int32)
        flat = split_words(index.reshape(-1).astype(word), 31)
        high, low = scramble(self.keys, *flat)
        if traced and wide:  # or XLA of jax 0.12 compiles for ever, on a CPU
            high, low = jax.lax.optimization_barrier((high, low))
        return self._count_borders(high, low, kind).reshape(index.shape)

    def _count_borders(self, high: Any, low: Any, kind: type) -> Any:
        """Counts the borders that are not above numbers of 64 bits, by halving."""
        count = len(self.high)
        found = (high & 0).astype(kind)
        for power in reversed(range(count.bit_length())):
            ahead = found + kind(1 << power)
            border = ahead.clip(None, count) - 1
            above, same = self.high[border] > high, self.high[border] == high
            passed = (ahead <= count) & ~above & ~(same & (self.low[border] > low))
            found = found + passed * kind(1 << power)
        return found


def _find_borders(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds where on a scale of 2**64 samples end, less the last, in two words."""
    last = np.flatnonzero(weights)[-1]
    # Scaled by a power of two, which costs no bit, so that the sum stays finite.
    weights = np.ldexp(weights, -np.frexp(weights.max())[1])
    ends = np.cumsum(weights, dtype=np.float64)
    most = np.nextafter(2.0**64, 0.0)
    scaled = np.ldexp(ends[:last] / ends[-1], 64).clip(None, most).astype(np.uint64)
    high, low = split_words(scaled, 32)
    return high, low
