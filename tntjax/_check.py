"""Checks of what a user passed, with errors that say what to do."""

import operator
from typing import Any

import jax
import numpy as np

from tntjax._array import as_array
from tntjax._struct import describe
from tntjax._types import is_dataset


def check_dataset(value: Any, name: str) -> None:
    """Raises a TypeError if something is not a dataset.

    Args:
      value: what should be one.
      name: who needs it, for the error.

    Raises:
      TypeError: if it lacks `len` or `[index]`, or is a class.

    Example:
      >>> check_dataset(["a", "list"], "BatchDataset")
    """
    if not is_dataset(value):
        raise TypeError(
            f"{name} needs a dataset (anything with len and [index]), got"
            f" {describe(value)}. Pass a list or a TableDataset, say; of a function or"
            " class that makes a dataset, what it returns."
        )


def check_functions(functions: Any, name: str) -> tuple:
    """Returns a tuple of functions, after checking that they are some.

    Args:
      functions: a sequence of functions.
      name: whose functions they are, for the error.

    Returns:
      The functions.

    Raises:
      TypeError: if it is no sequence, or an entry isn't callable.

    Example:
      >>> check_functions([len, 3], "compose")
      Traceback (most recent call last):
      ...
      TypeError: compose needs functions, but entry 1 is 3.
    """
    if not isinstance(functions, list | tuple):
        raise TypeError(
            f"{name} needs a list of functions, got {describe(functions)}."
            " Put a single function in brackets: [function]."
        )
    for position, function in enumerate(functions):
        check_function(function, f"{name} needs functions, but entry {position}")
    return tuple(functions)


def check_function(function: Any, subject: str) -> None:
    """Raises a TypeError `"{subject} is ..."` if something isn't callable.

    Args:
      function: what should be a function.
      subject: the start of the error's sentence.

    Raises:
      TypeError: if it isn't callable.

    Example:
      >>> check_function(len, "make_batch needs a function, but merge")
    """
    if not callable(function):
        raise TypeError(f"{subject} is {describe(function)}.")


def check_optional_functions(name: str, **functions: Any) -> None:
    """Raises a TypeError if one is neither a function nor None.

    Args:
      name: whose arguments they are, for the error.
      **functions: the arguments.

    Raises:
      TypeError: if one is something else.

    Example:
      >>> check_optional_functions("BatchDataset", perm=None, filter=[1])
      Traceback (most recent call last):
      ...
      TypeError: BatchDataset needs a function or None, but filter is [1].
    """
    for argument, function in functions.items():
        if function is not None:
            check_function(function, f"{name} needs a function or None, but {argument}")


def check_integer(value: Any, subject: str) -> int:
    """Converts to int; raises for anything that is not an integer, a bool included.

    Args:
      value: what should be an integer, one of NumPy or JAX included.
      subject: the start of the error's sentence.

    Returns:
      The number, of Python's type, which does not overflow.

    Raises:
      TypeError: `"{subject}, got ..."`.

    Example:
      >>> import numpy as np
      >>> check_integer(np.uint8(200), "BatchDataset needs an integer batch_size") * 2
      400
    """
    if type(value) is int:
        return value
    try:
        if not _is_bool(value):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{subject}, got {describe(value)}.")


def check_at_least(subject: str, value: Any, least: int) -> int:
    """Returns a number as an int, or raises an error if it is not one, or too small.

    Args:
      subject: what the number is, for the error.
      value: what should be an integer, one of NumPy or JAX included.
      least: the smallest that is allowed.

    Returns:
      The number, of Python's type.

    Raises:
      TypeError: if it is not an integer.
      ValueError: if it is below `least`.

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


def check_integers(values: Any, subject: str) -> Any:
    """Returns an array of integers, or raises if something in it is not one.

    A bool is not an integer, neither in an array of bools nor among integers, where
    NumPy would count it as 0 or 1.

    Args:
      values: a number, an array, or nested lists of these, which may be tracers.
      subject: the start of the error's sentence.

    Returns:
      An array of a dtype of integers: a JAX array if it was one or has one inside, else
      NumPy's, of Python's own integers if no dtype of NumPy holds all of them.

    Raises:
      TypeError: `"{subject}, got ..."`.

    Example:
      >>> check_integers([[1, 2]], "Expected integer indices").shape
      (1, 2)
      >>> check_integers([1, True], "Expected integer indices")
      Traceback (most recent call last):
      ...
      TypeError: Expected integer indices, got True among them.
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
    if plain and kind in ("f", "O"):  # too large, or signed and unsigned of 64 bits
        return np.array(list(map(int, parts)), object).reshape(array.shape)
    raise TypeError(f"{subject}, got {describe(array)}.")


def _is_bool(value: Any) -> bool:
    """True if a value is a bool, or an array of them, of whatever library."""
    array = value if isinstance(value, jax.Array) else np.asarray(value)
    return array.dtype == bool


def find_outside(indices: Any, length: int) -> int | None:
    """Finds an index that is negative or not below a length.

    Args:
      indices: an array of integers, not traced.
      length: the first number that is too large.

    Returns:
      The least index if it is negative, else the largest if it is too large, else None.

    Example:
      >>> find_outside(np.array([0, 3, 5]), 5)
      5
    """
    if indices.size == 0:
        return None
    least, most = int(indices.min()), int(indices.max())
    if least < 0:
        return least
    return most if most >= length else None


def check_max_load(max_load: Any, name: str) -> None:
    """Checks how many samples to load at most.

    Args:
      max_load: a positive integer, or None for all.
      name: whose argument it is, for the error.

    Raises:
      TypeError: if it is something else.
      ValueError: if it is below 1.

    Example:
      >>> check_max_load(3, "load_list")
    """
    if max_load is None:
        return
    if check_integer(max_load, f"{name} needs an integer max_load or None") < 1:
        raise ValueError(f"{name} needs max_load >= 1 or None, got {max_load}.")
