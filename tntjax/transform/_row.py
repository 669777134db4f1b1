"""Rows: what can be one of a batch's, and the errors for what cannot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from tntjax._array import check_unmasked
from tntjax._struct import describe

UNEQUAL_SHAPES = """Can't stack {field}: {first} in sample 0, {other} in sample {row} \
of the batch. Arrays of one field need one shape.
Wrong:
    make_batch()(samples)
Right: give them one shape in the dataset, or batch with a function that does,
    def merge(fields):  # {{field: [value of each sample]}}
        rows = fields[{key!r}]
        longest = max(len(row) for row in rows)
        padded = [np.pad(row, (0, longest - len(row))) for row in rows]
        return {{**fields, {key!r}: np.stack(padded)}}
    make_batch(merge)(samples)"""

MIXED_KINDS = (
    "Can't make a batch of {field}: {first} in sample 0, {other} in sample {row} of the"
    " batch. Make it of one kind in every sample."
)

Path = tuple[Any, ...]
"""The keys that lead to a part of a sample."""


def open_node(value: Any) -> tuple[list, Any]:
    """Returns the children of a pytree, one level deep, and its structure."""
    return flatten(value, lambda node: node is not value)


def flatten(sample: Any, is_leaf: Callable[[Any], bool]) -> tuple[list, Any]:
    """Flattens a sample as a pytree, or raises if JAX cannot sort its keys."""
    try:
        return jax.tree.flatten(sample, is_leaf)
    except ValueError as error:
        raise ValueError(
            "An engine and ConcatDataset need samples that are pytrees, where the keys"
            f" of a dict are of one type, as JAX sorts them; got {describe(sample)}."
            " Write all as strings: str(key)."
        ) from error


def is_node(value: Any) -> bool:
    """True if a value is a pytree other than a dict, tuple or list."""
    if value is None or isinstance(value, list):
        return False
    return not jax.tree_util.treedef_is_leaf(open_node(value)[1])


def is_number(value: Any) -> bool:
    """True if a value is a number of Python or a scalar of NumPy."""
    return isinstance(value, bool | int | float | complex | np.generic)


def is_row(value: Any) -> bool:
    """True if a value can be a row of an array, as tensors and images can."""
    if isinstance(value, str | bytes):  # NumPy's own strings have `__array__`
        return False
    # Asked of the type, since that of an image copies it.
    image = hasattr(type(value), "__array_interface__")
    return is_number(value) or hasattr(value, "__array__") or image


def as_row(value: Any, path: Path) -> Any:
    """Makes an array of a value for which `is_row` holds; JAX arrays stay."""
    check_unmasked(value, f"Can't make a batch of {describe_path(path)}: a value")
    return value if isinstance(value, jax.Array) else np.asarray(value)


def describe_path(path: Path) -> str:
    """Names the part of a sample that keys lead to."""
    if not path:
        return "the samples"
    return f"field {'.'.join(map(str, path))!r}"


@contextmanager
def name_field(path: Path) -> Iterator[None]:
    """Names the field in an error for dtypes that do not go together."""
    try:
        yield
    except TypeError as error:
        raise TypeError(
            f"Can't make a batch of {describe_path(path)}: {error} Give its values one"
            " dtype in the dataset."
        ) from error


def as_equal_row(path: Path, first: Any, row: int, value: Any) -> Any:
    """Makes an array of a value that must have the shape of the first; JAX's stay."""
    if not is_row(value):
        raise mixed(path, first, row, value)
    array = as_row(value, path)
    if array.shape != np.shape(first):
        key = path[0] if path else "input"
        raise ValueError(_explain(UNEQUAL_SHAPES, path, first, row, array, key=key))
    return array


def mixed(path: Path, first: Any, row: int, other: Any) -> TypeError:
    """Makes the error for a field that changes its kind."""
    return TypeError(_explain(MIXED_KINDS, path, first, row, other))


def _explain(
    text: str, path: Path, first: Any, row: int, other: Any, **words: Any
) -> str:
    shown = {"first": describe(first), "other": describe(other)}
    return text.format(field=describe_path(path), row=row, **shown, **words)
