"""Lengths: which of a padded batch is real, and the checks of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import require
from tntjax._key import check_key
from tntjax._numbers import check_axis, check_boolean, is_number
from tntjax._struct import describe
from tntjax.text import length_mask
from tntjax.text._ids import as_integers, as_lengths

Lengths = ArrayLike | None
"""How many entries of each row are real, [...] integers; None for all."""


class Padded(NamedTuple):
    """Rows [..., T, ...], zeros behind their ends, and their lengths [...] int32."""

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
      TypeError: if something is not an integer.
      ValueError: if `size` or `hop` is below 1.

    Example:
      >>> frame_lengths([400, 16000, 399], size=400, hop=160).tolist()
      [1, 98, 0]
    """
    size, hop = check_sizes("frame_lengths", 1, size=size, hop=hop)
    centered = check_boolean("frame_lengths: center", center)
    samples = as_integers(lengths, "frame_lengths")
    rest = samples - (size % 2 if centered else size)
    fits = (rest >= 0) & (samples > 0)
    return jnp.asarray((1 + rest // hop) * fits, jnp.int32)


def check_sizes(name: str, least: int, **sizes: Any) -> list[int]:
    """Returns the arguments of a function as ints that are at least so large."""
    return [check_axis(f"{name}: {k}", size, least) for k, size in sizes.items()]


def check_scalar(subject: str, value: Any) -> None:
    """Raises a TypeError if something is not one real number, which may be traced."""
    require(is_number(value), f"{subject} must be a number", value, error=TypeError)


def as_wave(
    wave: Any, lengths: Any, name: str, given: str = "lengths"
) -> tuple[jax.Array, jax.Array]:
    """Converts samples [..., T] to floats, with zeros past their lengths."""
    wave = as_array(wave)
    floating = jnp.issubdtype(wave.dtype, jnp.floating)
    if not (known := floating or wave.dtype == np.int16) or not wave.ndim:
        raise (ValueError if known else TypeError)(
            f"{name} needs samples [..., T] that are floats from -1 to 1, or int16, got"
            f" {describe(wave)}. Of other integers, divide by their largest."
        )
    lengths = as_lengths(lengths, wave.shape, name, given)
    wave = jnp.asarray(wave)
    wave = wave.astype(jnp.promote_types(wave.dtype, jnp.float32))
    return cut(wave if floating else wave / 32768, lengths), lengths


def as_features(
    features: Any, lengths: Any, name: str, kind: Any = jnp.floating
) -> tuple[jax.Array, jax.Array]:
    """Checks features [..., F, D], and puts zeros past the lengths of their rows."""
    features = as_array(features)
    needs = f"{name} needs {kind.__name__} features [..., F, D]"
    known = jnp.issubdtype(features.dtype, kind)
    require(known, needs, features, error=TypeError)
    require(features.ndim >= 2, needs, features)
    lengths = as_lengths(lengths, features.shape[:-1], name)
    return cut(jnp.asarray(features), lengths), lengths


def cut(values: jax.Array, lengths: jax.Array) -> jax.Array:
    """Puts zeros behind the ends of rows [..., T, *D]."""
    # Functions begin with it: NaN behind an end would come back in gradients.
    mask = length_mask(lengths, values.shape[lengths.ndim])
    mask = jnp.expand_dims(mask, tuple(range(mask.ndim, values.ndim)))
    return jnp.where(mask, values, 0)


def map_keys(
    function: Callable, key: Any, batch: tuple[int, ...], *rows: jax.Array
) -> jax.Array:
    """Calls a function for each example [*batch], with a part of the key."""
    key = check_key(key, "key")
    keys = jax.random.split(key, batch) if batch else key
    return map_rows(function, len(batch))(keys, *rows)


def map_rows(function: Callable, axes: int) -> Callable:
    """Maps a function over so many leading axes."""
    for _ in range(axes):
        function = jax.vmap(function)
    return function
