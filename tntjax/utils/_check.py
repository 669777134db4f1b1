"""Checks of what a user passed, with errors that say what to do."""

from typing import Any

from tntjax._struct import describe


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
