from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tntjax._array import namespace
from tntjax._dtype import with_one_dtype
from tntjax._struct import describe


def foreach(table: Any, function: Callable[[Any], Any], recursive: bool = False) -> Any:
    """Applies a function to each value of a table.

    Args:
      table: a dict, list or tuple.
      function: `value -> value`.
      recursive: whether to go into values that are tables, instead of passing them.

    Returns:
      A new table of the same kind with the same keys; a NamedTuple, an OrderedDict and
      a defaultdict stay what they are, other mappings become a dict. A table that is at
      several places is, with `recursive`, one new table at all of them.

    Raises:
      TypeError: if `table` is not one of these.

    Example:
      >>> foreach({"a": [1, 2], "b": 3}, str)
      {'a': '[1, 2]', 'b': '3'}
      >>> foreach({"a": [1, 2], "b": 3}, str, recursive=True)
      {'a': ['1', '2'], 'b': '3'}

    Torchnet: `utils.table.foreach`.
    """
    if not _is_table(table):
        raise TypeError(
            f"foreach needs a dict, list or tuple, got {describe(table)}. Apply the"
            " function to it directly."
        )
    return _walk(table, function, {} if recursive else None)


def _walk(
    table: Any,
    function: Callable[[Any], Any],
    known: dict[int, tuple[Any, Any]] | None,
) -> Any:
    """Applies a function to values, in tables of them too if there is a `known`.

    It holds what tables became by their ids, so that each is walked once.
    """

    def apply(value: Any) -> Any:
        if known is None or not _is_table(value):
            return function(value)
        if id(value) not in known:
            known[id(value)] = value, _walk(value, function, known)
        return known[id(value)][1]

    values = table.values() if isinstance(table, Mapping) else table
    return alike(table, map(apply, values))


def alike(table: Any, values: Iterable[Any]) -> Any:
    """Makes a table of the same kind and keys of as many other values, in its order."""
    if isinstance(table, Mapping):
        pairs = zip(table, values, strict=True)
        if isinstance(table, defaultdict):
            return defaultdict(table.default_factory, pairs)
        return (OrderedDict if isinstance(table, OrderedDict) else dict)(pairs)
    # A NamedTuple takes its fields apart; other tuples may want values of their own.
    plain = tuple if isinstance(table, tuple) else type(table)
    return getattr(table, "_make", plain)(values)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def merge(first: Mapping[Any, Any], second: Mapping[Any, Any]) -> dict[Any, Any]:
    """Returns one dict with the entries of both.

    Args:
      first: a dict.
      second: a dict, whose values count where both have a key.

    Returns:
      A new dict; both stay as they are.

    Raises:
      TypeError: if one is not a dict.

    Example:
      >>> merge({"a": 1, "b": 2}, {"b": 3})
      {'a': 1, 'b': 3}

    Torchnet: `utils.table.merge`, which changes its first argument.
    """
    for table in (first, second):
        if not isinstance(table, Mapping):
            raise TypeError(f"merge needs two dicts, got {describe(table)}.")
    return {**first, **second}


def can_merge(values: Sequence[Any]) -> bool:
    """True if values are arrays of one shape, so that they can be stacked.

    Args:
      values: a list or tuple of anything.

    Returns:
      True if there is at least one, and all are arrays of equal shape.

    Example:
      >>> import numpy as np
      >>> [can_merge([np.zeros((2, 3)), np.ones(shape)]) for shape in [(2, 3), (3, 2)]]
      [True, False]

    Torchnet: `utils.table.canmergetensor`, which compares the numbers of elements, so
    that what was merged was cut anew.
    """
    arrays = all(hasattr(v, "shape") and hasattr(v, "dtype") for v in values)
    return arrays and len({value.shape for value in values}) == 1


def merge_arrays(values: Sequence[Any]) -> Any:
    """Stacks arrays of one shape along a new first axis.

    Args:
      values: N arrays [...] for which `can_merge` holds.

    Returns:
      [N, ...], of a dtype that holds all: a JAX array if one of them is, else NumPy's.

    Raises:
      TypeError: if their dtypes do not mix, as those of numbers and strings.
      ValueError: if they are not arrays of one shape, or none at all.

    Example:
      >>> import numpy as np
      >>> merge_arrays([np.zeros((2, 3)), np.ones((2, 3))]).shape
      (2, 2, 3)

    Torchnet: `utils.table.mergetensor`, which gave all the dtype of the first.
    `transform.make_batch` does the same for whole samples.
    """
    if not can_merge(values):
        raise ValueError(
            "merge_arrays needs arrays of one shape, got"
            f" {', '.join(map(describe, values)) or 'none'}."
        )
    return namespace(*values).stack(with_one_dtype(values))
