"""Arrays that may live on the host or on a device."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._struct import describe


def namespace(*arrays: Any) -> ModuleType:
    """Returns the library to compute with: where the arrays are, the work is done.

    Args:
      *arrays: NumPy arrays, numbers, JAX arrays or tracers.

    Returns:
      `jax.numpy` if one of them is a JAX array or a tracer, else `numpy`, so that
      nothing which lies on the host waits for a device.

    Example:
      >>> namespace(np.zeros(3), 2.0).__name__
      'numpy'
      >>> namespace(np.zeros(3), jnp.zeros(3)).__name__
      'jax.numpy'
    """
    return jnp if any(isinstance(array, jax.Array) for array in arrays) else np


def can_be_read(array: Any) -> bool:
    """True if this process can read an array's values, which a tracer has not.

    Args:
      array: NumPy's or JAX's.

    Example:
      >>> can_be_read(np.zeros(3)), can_be_read(jnp.zeros(3))
      (True, True)
    """
    if not isinstance(array, jax.Array):
        return True
    return not isinstance(array, Tracer) and array.is_fully_addressable


def host_or_device(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a computation run where its arguments are.

    Args:
      compute: a pure function of `numpy` or `jax.numpy` and of pytrees of arrays.

    Returns:
      The function of the pytrees alone. On the host it computes with NumPy and in
      silence, NaN and infinity being values like others; else it is compiled, as many
      small steps one by one would wait for Python.

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


def check_unmasked(array: Any, subject: str) -> None:
    """Raises a TypeError if an array is masked, as a batch would lose its mask.

    Args:
      array: anything.
      subject: the start of the error's sentence.

    Raises:
      TypeError: `"{subject} is a masked array, ..."`.

    Example:
      >>> check_unmasked(np.ones(3), "The field 'x'")
    """
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{subject} is a masked array, whose mask would be lost. Use"
            " array.filled(0), say, or two fields: array.data and"
            " np.ma.getmaskarray(array)."
        )


def as_array(value: Any) -> Any:
    """Makes an array of a value, and leaves arrays where they are.

    Args:
      value: an array, a number, or a list of these, which may be tracers.

    Returns:
      A JAX array if it was one or has one inside, else a NumPy array, float64 for
      integers of more than 64 bits.

    Raises:
      TypeError: if it is a masked array of NumPy.
      ValueError: if it is made of lists of unequal lengths.
      OverflowError: if an integer is too large for a float.

    Example:
      >>> as_array([1, 2]).dtype.name
      'int64'
    """
    check_unmasked(value, "An argument")
    if isinstance(value, jax.Array | np.ndarray):
        return value
    if isinstance(value, list | tuple):
        array = _join(value)
    else:
        array = np.asarray(value)
    if array.dtype == object and all(isinstance(entry, int) for entry in array.flat):
        return array.astype(np.float64)
    return array


def _join(parts: Any) -> Any:
    """Makes one array of a list, of lists and arrays perhaps."""
    try:
        return namespace(*jax.tree.leaves(parts)).asarray(parts)
    except ValueError as error:
        raise ValueError(
            f"Can't make one array of {describe(parts)}: its parts must have one shape."
        ) from error


def host_zeros(tree: Any) -> Any:
    """Returns the tree with NumPy zeros of the same shapes and dtypes as leaves.

    Args:
      tree: a pytree of arrays or tracers, which are not read.

    Returns:
      The same structure, on the host.

    Example:
      >>> host_zeros({"count": np.ones(2, np.int32)})
      {'count': array([0, 0], dtype=int32)}
    """
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), tree)


def over_rows(array: Any, shape: tuple[int, ...], name: str) -> Any:
    """Aligns an array with the leading axes of a shape.

    A mask of [B] over values of [B, T] speaks of whole rows: axes are matched from
    the first on, where NumPy would match them from the last.

    Args:
      array: an array with at most as many axes as `shape`, each of the same length
        or of length 1; one axis alone has the length. A [] stands for all rows.
      shape: the shape it is to go with.
      name: what the array is, for the error.

    Returns:
      The array with axes of length 1 at the end, as many as broadcasting to `shape`
      takes; it fits the same shape again.

    Raises:
      ValueError: if the shapes don't fit.

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
    """Checks a mask and aligns it with the rows.

    Args:
      mask: bool, the leading axes of `shape`; True for what counts.
      shape: the shape of the values.
      name: whose mask it is, for the error.

    Returns:
      A bool array that broadcasts to that shape.

    Raises:
      TypeError: if it isn't bool.
      ValueError: if its shape doesn't fit.

    Example:
      >>> as_mask([True, False], (2, 3), "mask").tolist()
      [[True], [False]]
    """
    mask = as_array(mask)
    if mask.dtype != bool:
        raise TypeError(f"{name} must be bool, got {mask.dtype}. Pass `mask != 0`.")
    return over_rows(mask, shape, name)
