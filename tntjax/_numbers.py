"""Checks of the numbers that a user passed, with errors that say what to do."""

import operator
from numbers import Real
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._array import as_array
from tntjax._struct import describe


def check_integer(value: Any, subject: str) -> int:
    """Converts an integer, of NumPy or JAX too, to Python's, which does not overflow.

    Raises:
      TypeError: `"{subject}, got ..."` for anything else, a bool included.
    """
    if type(value) is int:
        return value
    try:
        if not _is_bool(value):
            return operator.index(value)
    except (TypeError, ValueError):  # or lists of unequal lengths
        pass
    raise TypeError(f"{subject}, got {describe(value)}.")


def check_at_least(subject: str, value: Any, least: int) -> int:
    """Returns an integer as Python's, or raises an error if it is too small.

    Example:
      >>> check_at_least("max_epoch", 0, 1)
      Traceback (most recent call last):
      ...
      ValueError: max_epoch must be at least 1, got 0.
    """
    number = check_integer(value, f"{subject} must be an integer")
    if number < least:
        raise ValueError(f"{subject} must be at least {least}, got {number}.")
    return number


def check_axis(subject: str, value: Any, least: int = 0, bits: int = 31) -> int:
    """Returns the size of an axis, which JAX counts in 32 bits, or raises an error."""
    size = check_at_least(subject, value, least)
    if size >> bits:
        raise ValueError(f"{subject} must be less than 2**{bits}, got {size}.")
    return size


def check_boolean(subject: str, value: Any) -> bool:
    """Returns a choice as a bool, or raises a TypeError: text, say, would be true."""
    if isinstance(value, bool):
        return value
    if isinstance(value, np.bool_) or (_is_scalar(value) and value.dtype == bool):
        return bool(value)
    raise TypeError(f"{subject} must be True or False, got {describe(value)}.")


def check_number(subject: str, value: Any) -> float:
    """Returns a real number, infinite or NaN perhaps, as a float; or a TypeError."""
    if isinstance(value, Tracer):
        raise TypeError(
            f"{subject} must be a number that is known before anything is compiled,"
            f" got a traced {describe(value)}. Leave it out of what jit, vmap or grad"
            " trace: static_argnames, functools.partial."
        )
    if not is_number(value):
        raise TypeError(f"{subject} must be a number, got {describe(value)}.")
    return float(value)


def is_number(value: Any) -> bool:
    """True for a real number of Python, NumPy or JAX, traced or not; a bool is none."""
    if _is_scalar(value):
        kinds = np.integer, np.floating
        return any(jnp.issubdtype(value.dtype, kind) for kind in kinds)
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_scalar(value: Any) -> TypeGuard[jax.Array | np.ndarray | np.generic]:
    return isinstance(value, jax.Array | np.ndarray | np.generic) and not value.shape


def check_integers(values: Any, subject: str) -> Any:
    """Returns an array of integers, given as one or as nested lists, tracers too.

    A bool is not an integer, neither in an array of bools nor among integers, where
    NumPy would count it as 0 or 1.

    Returns:
      A JAX array if it was one or has one inside, else NumPy's, of Python's own
      integers if no dtype of NumPy holds all of them.

    Raises:
      TypeError: `"{subject}, got ..."`.
    """
    listed = isinstance(values, list | tuple)
    parts = jax.tree.leaves(values) if listed else [values]
    plain = bool(parts) and all(
        issubclass(kind, int | np.integer) and kind is not bool
        for kind in set(map(type, parts))
    )
    try:
        array = as_array(values)
    except ValueError as error:  # lists of unequal lengths
        raise TypeError(f"{subject}, got {describe(values)}.") from error
    kind = getattr(array.dtype, "kind", "")  # which keys of JAX lack
    if kind in ("i", "u"):
        for part in () if plain else parts:
            if _is_bool(part):
                raise TypeError(f"{subject}, got {describe(part)} among them.")
        return array
    if not array.size and kind != "b":  # an empty list
        return array.astype(np.intp)
    # Too large, or signed and unsigned of 64 bits.
    if plain and kind in ("f", "O") and array.size == len(parts):
        return np.array(list(map(int, parts)), object).reshape(array.shape)
    raise TypeError(f"{subject}, got {describe(array)}.")


def _is_bool(value: Any) -> bool:
    """True if a value is a bool, or an array of them, of whatever library."""
    array = value if isinstance(value, jax.Array) else np.asarray(value)
    return array.dtype == bool


def find_outside(indices: Any, length: int) -> int | None:
    """Returns an index that is negative or not below a length, or None."""
    if indices.size == 0:
        return None
    least, most = int(indices.min()), int(indices.max())
    if least < 0:
        return least
    return most if most >= length else None


def check_max_load(max_load: Any, name: str) -> None:
    """Raises an error unless the most samples to load is None or at least 1."""
    if max_load is None:
        return
    if check_integer(max_load, f"{name} needs an integer max_load or None") < 1:
        raise ValueError(f"{name} needs max_load >= 1 or None, got {max_load}.")
