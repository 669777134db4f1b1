"""Checks of what a user passed, with errors that say what to do."""

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
            " class that makes a dataset, what it returns; of a dict of arrays or a"
            " DataFrame, TableDataset({name: frame[name].to_numpy()})."
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
