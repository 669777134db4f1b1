"""Dtypes that go together, and conversions that lose nothing."""

import contextlib
import functools
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import can_be_read, check_unmasked, namespace
from tntjax._struct import describe


def common_dtype(first: Any, second: Any, xp: ModuleType = np) -> Any:
    """Returns a dtype for arrays of two dtypes, or raises a TypeError.

    Numbers and bools mix, strings of any lengths, and dates of any units. Nothing else
    does, although NumPy makes strings of numbers and durations of integers. Integers
    stay integers, although NumPy makes float64 of int64 and uint64.

    Example:
      >>> common_dtype(np.dtype("int8"), np.dtype("float32")).name
      'float32'
    """
    if first == second:
        return first
    error = TypeError(f"No dtype holds both {first} and {second}.")
    if _family(first) != _family(second):
        raise error
    for name in first.names or ():
        common_dtype(first[name].base, second[name].base)
    try:
        common = xp.promote_types(first, second)
    except (TypeError, ValueError):  # bfloat16 and float16, or int4 and int8 in JAX
        raise error from None
    if xp is jnp:  # older JAX answers int64 although it has none
        common = jax.dtypes.canonicalize_dtype(common)
    if _is_integer(first) and _is_integer(second):
        if not (_holds(common, first) and _holds(common, second)):
            raise error
    return common


def find_dtype(arrays: Sequence[np.ndarray]) -> np.dtype:
    """Returns a dtype for NumPy arrays, of native bytes, as JAX takes no others."""
    dtype = functools.reduce(common_dtype, (array.dtype for array in arrays))
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def convert(array: np.ndarray, dtype: Any) -> np.ndarray:
    """Converts a NumPy array to a dtype that `common_dtype` gave, and loses no digit.

    Raises:
      TypeError: if an integer is beyond those that all are a float of the dtype, or a
        date beyond those of the dtype's unit.
    """
    if array.dtype == dtype:
        return array
    for name in array.dtype.names or ():
        convert(array[name], dtype[name].base)
    if array.dtype.kind in "mM":
        with contextlib.suppress(OverflowError):  # of newer NumPy; older wraps
            converted = array.astype(dtype)
            if (np.isnat(array) | (converted.astype(array.dtype) == array)).all():
                return converted
        dates = array[~np.isnat(array)]
        furthest = dates[np.abs(dates.astype(np.int64)).argmax()]
        raise TypeError(f"{dtype} does not reach {furthest}.")
    if array.dtype.kind in "iu":
        _check_digits(array, dtype)
    return array.astype(dtype)


def with_one_dtype(arrays: Sequence[Any]) -> list[Any]:
    """Converts arrays to one dtype, to be put together; to JAX's if one of them is.

    Raises:
      TypeError: if their dtypes do not mix, or values would change.
    """
    for array in arrays:
        check_unmasked(array, f"{describe(array)}")
    xp = namespace(*arrays)
    if xp is np:
        dtype = find_dtype(arrays)
        return [convert(array, dtype) for array in arrays]
    arrays = [a if isinstance(a, jax.Array) else _on_device(a) for a in arrays]
    common = functools.partial(common_dtype, xp=xp)
    dtype = functools.reduce(common, (array.dtype for array in arrays))
    others = [array for array in arrays if array.dtype != dtype]
    for array in filter(can_be_read, others):
        if jnp.issubdtype(array.dtype, np.integer):
            _check_digits(np.asarray(array), dtype)
    return [a if a.dtype == dtype else a.astype(dtype) for a in arrays]


def _on_device(array: np.ndarray) -> jax.Array:
    """Makes a JAX array, which may have fewer bits."""
    if _family(array.dtype) != "number":
        raise TypeError(f"JAX has no arrays of {array.dtype}.")
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if array.dtype.kind in "iu":
        _check_digits(array, dtype)
    return jnp.asarray(array)


def _check_digits(array: np.ndarray, dtype: Any) -> None:
    """Raises a TypeError if a dtype has not all digits of an array's integers."""
    if jnp.issubdtype(dtype, np.inexact):
        most = 2 ** (jnp.finfo(dtype).nmant + 1)
        least = -most
    else:
        least, most = jnp.iinfo(dtype).min, jnp.iinfo(dtype).max
    for end in (array.min(), array.max()) if array.size else ():
        if not least <= int(end) <= most:
            raise TypeError(f"{dtype} has not all digits of {end}.")


def _family(dtype: Any) -> Any:
    """Returns what is equal for dtypes that mix."""
    if not isinstance(dtype, np.dtype):
        return dtype  # of keys of JAX
    if dtype.names:
        return tuple((name, _family(dtype[name])) for name in dtype.names)
    if dtype.subdtype:
        return _family(dtype.base), dtype.shape
    if dtype.kind == "m":  # durations, to NumPy numbers
        return dtype.kind
    number = dtype.kind == "b" or jnp.issubdtype(dtype, np.number)
    return "number" if number else dtype.kind


def _is_integer(dtype: Any) -> bool:
    duration = getattr(dtype, "kind", "") == "m"
    return jnp.issubdtype(dtype, np.integer) and not duration


def _holds(common: Any, part: Any) -> bool:
    """True if a dtype of integers holds all of another's."""
    if not _is_integer(common):
        return False
    wide, narrow = jnp.iinfo(common), jnp.iinfo(part)
    return wide.min <= narrow.min and narrow.max <= wide.max
