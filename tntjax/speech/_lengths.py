"""Lengths: which of a padded batch is real, and the checks of it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax.text import length_mask


class Padded(NamedTuple):
    """Rows of unequal lengths in one array, with zeros behind their ends.

    Args:
      values: [..., T, ...] the rows.
      lengths: [...] int32, how many of the T entries of each row are real.
    """

    values: jax.Array
    lengths: jax.Array


def frame_lengths(
    lengths: ArrayLike, *, size: int, hop: int, center: bool = False
) -> jax.Array:
    """Counts the frames that fit into each signal.

    Args:
      lengths: [...] integers, samples.
      size: samples of a frame.
      hop: samples from one frame to the next.
      center: count frames around each `hop`-th sample, the signal being padded by
        `size // 2` at both ends; else frames that lie inside the signal.

    Returns:
      [...] int32: `1 + n // hop` for an even size if centered, else
      `1 + (n - size) // hop`; 0 for no samples, and for too few.

    Raises:
      ValueError: if `size` or `hop` is below 1.

    Example:
      >>> frame_lengths([400, 16000, 399], size=400, hop=160).tolist()
      [1, 98, 0]
      >>> frame_lengths([0, 16000], size=400, hop=160, center=True).tolist()
      [0, 101]
    """
    check_at_least("frame_lengths: size", size, 1)
    check_at_least("frame_lengths: hop", hop, 1)
    lengths = jnp.asarray(lengths, jnp.int32)
    padded = lengths + 2 * (size // 2) if center else lengths
    fits = (padded >= size) & (lengths > 0)
    return jnp.where(fits, 1 + (padded - size) // hop, 0).astype(jnp.int32)


def as_wave(wave: Any, name: str) -> jax.Array:
    """Converts samples [..., T] to floats; int16 becomes float32 from -1 to 1."""
    wave = jnp.asarray(wave)
    if not wave.ndim:
        raise ValueError(f"{name} needs samples [..., T], got {describe(wave)}.")
    if wave.dtype == jnp.int16:
        return wave.astype(jnp.float32) / 32768
    if not jnp.issubdtype(wave.dtype, jnp.floating):
        raise TypeError(
            f"{name} needs samples that are floats from -1 to 1, or int16, got"
            f" {describe(wave)}. Of other integers, divide by their largest."
        )
    return wave.astype(jnp.promote_types(wave.dtype, jnp.float32))


def as_lengths(lengths: Any, shape: tuple[int, ...], name: str) -> jax.Array:
    """Converts lengths to int32 from 0 to T of rows [..., T]; None is T for each."""
    batch, size = shape[:-1], shape[-1]
    if lengths is None:
        return jnp.full(batch, size, jnp.int32)
    lengths = jnp.asarray(lengths)
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise TypeError(
            f"{name} needs integer lengths, got {describe(lengths)}. Of a mask, pass"
            " mask.sum(-1)."
        )
    if lengths.shape != batch:
        raise ValueError(
            f"{name} needs one length for each of {list(batch)} rows, got"
            f" {describe(lengths)}."
        )
    return jnp.clip(lengths.astype(jnp.int32), 0, size)


def as_features(features: Any, lengths: Any, name: str) -> tuple[jax.Array, jax.Array]:
    """Checks features [..., F, D] and the lengths of their rows."""
    features = jnp.asarray(features)
    if features.ndim < 2 or not jnp.issubdtype(features.dtype, jnp.floating):
        raise ValueError(
            f"{name} needs floating features [..., F, D], got {describe(features)}."
        )
    return features, as_lengths(lengths, features.shape[:-1], name)


def cut(values: jax.Array, lengths: jax.Array, axes: int = 0) -> jax.Array:
    """Puts zeros behind the ends of rows [..., T, *D], where D has so many axes."""
    size = values.shape[values.ndim - 1 - axes]
    mask = length_mask(lengths, size)
    return jnp.where(mask.reshape(mask.shape + (1,) * axes), values, 0)
