"""Checks of what a user passed, with errors that say what to do."""

from collections.abc import Callable, Sequence
from typing import Any

from tntjax._struct import describe
from tntjax._types import is_dataset


def require(holds: Any, needs: str, *got: Any, error: type = ValueError) -> None:
    """Raises an error "`needs`, got `got` and `got`." unless something holds."""
    if not holds:
        raise error(f"{needs}, got {' and '.join(map(describe, got))}.")


def check_dataset(value: Any, name: str) -> None:
    """Raises a TypeError if a value lacks `len` or `[index]`, or is a class."""
    if not is_dataset(value):
        raise TypeError(
            f"{name} needs a dataset (anything with len and [index]), got"
            f" {describe(value)}. Pass a list or a TableDataset, say; of a function or"
            " class that makes a dataset, what it returns; of a dict of arrays or a"
            " DataFrame, TableDataset({name: frame[name].to_numpy()})."
        )


def check_functions(functions: Any, name: str) -> tuple:
    """Returns a list of functions as a tuple, or raises a TypeError."""
    if not isinstance(functions, list | tuple):
        raise TypeError(
            f"{name} needs a list of functions, got {describe(functions)}."
            " Put a single function in brackets: [function]."
        )
    for position, function in enumerate(functions):
        check_function(function, f"{name} needs functions, but entry {position}")
    return tuple(functions)


def check_function(function: Any, subject: str) -> None:
    """Raises a TypeError `"{subject} is ..."` if something isn't callable."""
    if not callable(function):
        raise TypeError(f"{subject} is {describe(function)}.")


def check_optional_functions(name: str, **functions: Any) -> None:
    """Raises a TypeError if an argument is neither a function nor None."""
    for argument, function in functions.items():
        if function is not None:
            check_function(function, f"{name} needs a function or None, but {argument}")


def is_kept(filter: Callable[[Any], Any] | None, sample: Any) -> bool:
    """True if a filter keeps a sample, or if there is no filter."""
    kept = True if filter is None else filter(sample)
    if kept is None:
        raise TypeError(
            "A filter must return True or False, got None. Does it end with no return?"
        )
    try:
        return bool(kept)
    except (ValueError, RuntimeError) as error:  # arrays of NumPy and JAX, of torch
        raise TypeError(
            f"A filter must return True or False, got {describe(kept)}. Of an array"
            " take its .all() or .any()."
        ) from error


def check_choice(name: str, argument: str, value: Any, choices: Sequence[str]) -> None:
    """Raises a ValueError unless an argument is one of several names."""
    if not isinstance(value, str) or value not in choices:
        named = f"{', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}"
        raise ValueError(f"{name} needs {argument} {named}, got {describe(value)}.")
