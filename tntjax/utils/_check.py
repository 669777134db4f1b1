"""Checks of what a user passed, with errors that say what to do."""

import operator
from typing import Any

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
    """Returns a number as an int, or raises if it is none; a bool is none.

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
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise TypeError(f"{subject}, got {describe(value)}.")


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
