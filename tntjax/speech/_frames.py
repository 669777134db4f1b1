"""Frames of a signal, and what is done to samples before."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least
from tntjax.speech._lengths import Padded, as_lengths, as_wave, cut, frame_lengths


def frames(
    wave: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    size: int,
    hop: int,
    pad: str = "none",
) -> Padded:
    """Cuts signals into frames that overlap.

    Args:
      wave: [..., T] samples, floats or int16 (which become floats from -1 to 1).
      lengths: [...] how many samples are real, None for all.
      size: samples of a frame.
      hop: samples from one frame to the next.
      pad: "none" for frames inside the signal; "reflect" or "zero" for frames around
        each `hop`-th sample, with the signal mirrored at its own ends, or zeros there.

    Returns:
      [..., F, size] float32 or wider, zeros in frames past `lengths`; and [...] the
      number of frames, as `frame_lengths` counts them.

    Raises:
      TypeError: if samples or lengths are of a wrong dtype.
      ValueError: if shapes do not fit, or `size`, `hop` or `pad` is wrong.

    Example:
      >>> import numpy as np
      >>> frames(np.arange(5.0), size=3, hop=2).values.tolist()
      [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    """
    check_at_least("frames: size", size, 1)
    check_at_least("frames: hop", hop, 1)
    wave = as_wave(wave, "frames")
    lengths = as_lengths(lengths, wave.shape, "frames")
    wave, center = cut(wave, lengths), pad != "none"
    if center:
        wave = pad_ends(wave, lengths, size // 2, pad)
    counts = frame_lengths(lengths, size=size, hop=hop, center=center)
    most = max(0, 1 + (wave.shape[-1] - size) // hop)
    return Padded(cut(split_frames(wave, most, size, hop), counts, 1), counts)


def split_frames(wave: jax.Array, count: int, size: int, hop: int) -> jax.Array:
    """Cuts [..., T] into [..., count, size], with zeros where samples lack.

    It copies whole blocks of `hop` samples, which is faster than a gather.
    """
    parts = -(-size // hop)
    total = (count + parts - 1) * hop
    wave = wave[..., :total]
    missing = total - wave.shape[-1]
    wave = jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(0, missing)])
    blocks = wave.reshape(*wave.shape[:-1], count + parts - 1, hop)
    shifted = [blocks[..., part : part + count, :] for part in range(parts)]
    return jnp.concatenate(shifted, -1)[..., :size]  # [..., count, size]


def join_frames(frames: jax.Array, hop: int) -> jax.Array:
    """Adds up [..., F, size] where frames overlap: [..., (F - 1) * hop + size]."""
    *batch, count, size = frames.shape
    parts = -(-size // hop)
    sides = [(0, 0)] * len(batch)
    frames = jnp.pad(frames, [*sides, (0, 0), (0, parts * hop - size)])
    blocks = frames.reshape(*batch, count, parts, hop)
    total = jnp.zeros((*batch, count + parts - 1, hop), frames.dtype)
    for part in range(parts):
        total = total.at[..., part : part + count, :].add(blocks[..., part, :])
    return total.reshape(*batch, -1)[..., : (count - 1) * hop + size]


def pad_ends(wave: jax.Array, lengths: jax.Array, pad: int, mode: str) -> jax.Array:
    """Puts `pad` samples before [..., T] and behind the end of each row.

    The end is that of its length, not of the array: what is mirrored is real.
    """
    if mode not in ("reflect", "zero"):
        raise ValueError(f"frames needs pad 'none', 'reflect' or 'zero', got {mode!r}.")
    *batch, size = wave.shape
    padded = jnp.pad(wave, [(0, 0)] * len(batch) + [(pad, pad)])
    if mode == "zero" or not size:
        return padded
    steps = jnp.arange(pad)
    # All rows have the same place of their head, and each a place of its tail.
    head = jnp.take_along_axis(wave, _mirror(steps - pad, lengths), -1)
    tail = jnp.take_along_axis(
        wave, _mirror(lengths[..., None] + steps, lengths), -1
    )  # [..., pad]
    padded = padded.at[..., :pad].set(head).reshape(-1, size + 2 * pad)
    put = jax.vmap(jax.lax.dynamic_update_slice)
    starts = (lengths.reshape(-1) + pad,)
    return put(padded, tail.reshape(-1, pad), starts).reshape(*batch, -1)


def _mirror(places: jax.Array, lengths: jax.Array) -> jax.Array:
    """Reflects places outside of rows into them, as often as it takes."""
    last = jnp.maximum(lengths[..., None] - 1, 0)
    period = jnp.maximum(2 * last, 1)
    places = places % period
    return jnp.minimum(jnp.minimum(places, period - places), last)


def pre_emphasis(
    wave: ArrayLike, lengths: ArrayLike | None = None, *, coefficient: float = 0.97
) -> jax.Array:
    """Lifts high frequencies: each sample less a share of the one before.

    Args:
      wave: [..., T] samples, floats or int16.
      lengths: [...] how many samples are real, None for all.
      coefficient: the share; the first sample stays.

    Returns:
      [..., T] float32 or wider, zeros past `lengths`.

    Example:
      >>> pre_emphasis([1.0, 1.0, 2.0], coefficient=0.5).tolist()
      [1.0, 0.5, 1.5]
    """
    wave = as_wave(wave, "pre_emphasis")
    lengths = as_lengths(lengths, wave.shape, "pre_emphasis")
    before = jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(1, 0)])[..., :-1]
    return cut(wave - coefficient * before, lengths)


def dither(
    key: jax.Array,
    wave: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    scale: float = 1 / 32768,
) -> jax.Array:
    """Adds normal noise, so that digital silence has a logarithm.

    Args:
      key: a key of `jax.random`, which is consumed: a part of it for each signal.
      wave: [..., T] samples, floats or int16.
      lengths: [...] how many samples are real, None for all.
      scale: standard deviation; the default is Kaldi's 1 of a 16-bit sample.

    Returns:
      [..., T] float32 or wider, zeros past `lengths`.

    Example:
      >>> import jax
      >>> dither(jax.random.key(0), [[0.0, 0.0, 0.0]], [2])[0, 2].tolist()
      0.0
    """
    wave = as_wave(wave, "dither")
    lengths = as_lengths(lengths, wave.shape, "dither")

    def draw(key: jax.Array) -> jax.Array:
        return jax.random.normal(key, wave.shape[-1:], wave.dtype)

    return cut(wave + scale * map_keys(draw, key, wave.shape[:-1]), lengths)


def map_keys(
    function: Callable, key: jax.Array, batch: tuple[int, ...], *rows: jax.Array
) -> jax.Array:
    """Calls a function for each example, with a key of its own."""
    if not batch:
        return function(key, *rows)
    count = math.prod(batch)
    flat = [row.reshape(count, *row.shape[len(batch) :]) for row in rows]
    results = jax.vmap(function)(jax.random.split(key, count), *flat)
    return results.reshape(*batch, *results.shape[1:])
