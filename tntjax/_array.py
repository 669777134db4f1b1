"""Arrays that may live on the host or on a device."""

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._struct import describe


def namespace(*arrays: Any) -> ModuleType:
    """Returns `jax.numpy` if an array is JAX's or traced, else `numpy`: no waiting."""
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np


def can_be_read(array: Any) -> bool:
    """True if this process can read an array's values, which a tracer has not."""
    if not isinstance(array, jax.Array):
        return True
    return not isinstance(array, Tracer) and array.is_fully_addressable


def host_or_device(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Makes `compute(xp, *trees)` a function of trees that runs where their arrays are.

    On the host it computes with NumPy and in silence, NaN and infinity being values
    like others; else it is compiled, as many small steps one by one would wait for
    Python.

    Example:
      >>> half = host_or_device(lambda xp, x: xp.asarray(x) / 2)
      >>> half(np.ones(2)).tolist(), half(jnp.ones(2)).tolist()
      ([0.5, 0.5], [0.5, 0.5])
    """
    compiled = jax.jit(functools.partial(compute, jnp), inline=True)

    def run(*trees: Any) -> Any:
        if namespace(*jax.tree.leaves(trees)) is jnp:
            return compiled(*trees)
        with np.errstate(all="ignore"):
            return compute(np, *trees)

    return run


ALIGNMENT = 64
"""Bytes. JAX on a CPU reads an array where it lies if that is a multiple of it."""

LARGE = 2**16
"""Bytes from which on the copy that JAX makes else takes longer than to avoid it."""


def empty_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Returns an array without values, which JAX on a CPU need not copy if it is large.

    Example:
      >>> rows = empty_aligned((128, 784), np.float32)
      >>> rows.shape, rows.ctypes.data % ALIGNMENT
      ((128, 784), 0)
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE or dtype.hasobject:  # such as strings, which need memory of theirs
        return np.empty(shape, dtype)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def check_unmasked(array: Any, subject: str) -> None:
    """Raises a TypeError if an array is masked, as a batch would lose its mask."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{subject} is a masked array, whose mask would be lost. Use"
            " array.filled(0), say, or two fields: array.data and"
            " np.ma.getmaskarray(array)."
        )


def as_array(value: Any) -> Any:
    """Makes an array of an array, a number, or a list of these, which may be tracers.

    Returns:
      A JAX array if it was one or has one inside, else a NumPy array of native bytes,
      float64 for integers of more than 64 bits.

    Raises:
      TypeError: if it is a masked array of NumPy.
      ValueError: if it is made of lists of unequal lengths.
      OverflowError: if an integer is too large for a float.
    """
    check_unmasked(value, "An argument")
    if isinstance(value, np.ndarray) and not value.dtype.isnative:
        return value.astype(value.dtype.newbyteorder("="))  # as JAX takes no others
    if isinstance(value, jax.Array | np.ndarray):
        return value
    parts = jax.tree.leaves(value) if isinstance(value, list | tuple) else ()
    try:
        array = namespace(*parts).asarray(value)
    except ValueError as error:
        raise ValueError(
            f"Can't make one array of {describe(value)}: its parts must have one shape."
        ) from error
    if array.dtype == object and all(isinstance(entry, int) for entry in array.flat):
        return array.astype(np.float64)
    return array


def host_zeros(tree: Any) -> Any:
    """Returns the tree with NumPy zeros of the same shapes and dtypes as leaves."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), tree)


def over_rows(array: Any, shape: tuple[int, ...], name: str) -> Any:
    """Aligns an array with the leading axes of a shape, by axes of length 1 at its end.

    A mask of [B] over values of [B, T] speaks of whole rows: axes are matched from
    the first on, where NumPy would match them from the last. A [] stands for all rows.

    Raises:
      ValueError: if an axis has neither the length nor, but for a lone one, length 1.

    Example:
      >>> over_rows(np.array([True, False]), (2, 3), "mask").shape
      (2, 1)
    """
    given = array.shape
    fits = len(given) <= len(shape) and all(
        length in (1, wanted) for length, wanted in zip(given, shape, strict=False)
    )
    # An entry for one row alone is a mistake where there are more.
    fits = fits and (given != (1,) or shape[0] == 1)
    if not fits:
        raise ValueError(
            f"{name} has shape {list(given)}, which doesn't fit values of shape"
            f" {list(shape)}. Give it the leading axes of the values: one entry for"
            " each row."
        )
    if not given:
        given = shape[:1]
        array = namespace(array).broadcast_to(array, given)
    return array.reshape(given + (1,) * (len(shape) - len(given)))


def as_mask(mask: Any, shape: tuple[int, ...], name: str) -> Any:
    """Checks a mask, bool over leading axes of `shape`, and aligns it with the rows.

    Raises:
      TypeError: if it isn't bool.
      ValueError: if its shape doesn't fit.
    """
    mask = as_array(mask)
    if mask.dtype != bool:
        raise TypeError(f"{name} must be bool, got {mask.dtype}. Pass `mask != 0`.")
    return over_rows(mask, shape, name)
