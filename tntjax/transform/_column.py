"""Columns: each takes the same part of every sample, and hands over a batch of it.

They are scratch space, filled row by row while a batch is made. The first sample
decides which kind a column is. Samples come in blocks: asked of a whole block at once,
a question such as "is this one type?" costs little; asked of each value, more
than its copy.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax.transform._table import check_keys
from tntjax.utils import alike, namespace

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


class Column(Protocol):
    """What a part of the samples is written to."""

    def write(self, start: int, values: list) -> None:
        """Takes the parts of samples `start` and on; they come in order, from 0."""
        ...

    def batch(self) -> Any:
        """Hands over what was written."""
        ...


def column_for(first: Any, count: int, path: Path) -> Column:
    """Returns an empty column for values like the first.

    Args:
      first: the part of sample 0.
      count: how many samples will come.
      path: the keys that lead to the part, for errors.

    Returns:
      A column with nothing written yet, not even `first`.
    """
    if isinstance(first, Mapping | tuple):
        return _Fields(first, count, path)
    if isinstance(first, jax.Array):
        return _DeviceArrays(first, path)
    if not _is_array(first):
        return (_Node if _is_node(first) else _Objects)(first, count, path)
    if _is_number(first):
        return _Numbers(first, path)
    return _HostArrays(first, count, path)


class _Fields:
    """A dict or tuple: a column for each entry."""

    def __init__(self, first: Any, count: int, path: Path) -> None:
        self.first, self.path = first, path
        self.kind = Mapping if isinstance(first, Mapping) else tuple
        self.keys = first.keys() if self.kind is Mapping else range(len(first))
        self.columns = {k: column_for(first[k], count, (*path, k)) for k in self.keys}

    def write(self, start: int, values: list) -> None:
        alike = set(map(type, values)) == {type(self.first)}
        if not alike or set(map(len, values)) != {len(self.keys)}:
            self.check(start, values)
        try:
            parts = {key: [value[key] for value in values] for key in self.keys}
        except KeyError:
            self.check(start, values)
            raise
        for key, column in self.columns.items():
            column.write(start, parts[key])

    def check(self, start: int, values: list) -> None:
        """Raises if one isn't as the first."""
        at = f" at {_name(self.path)}" if self.path else ""
        for row, value in enumerate(values, start):
            check_keys(self.first, value, f"sample {row}{at}", self.kind)

    def batch(self) -> Any:
        return alike(self.first, [column.batch() for column in self.columns.values()])


class _Node:
    """Another pytree, such as a registered dataclass: a column for each child."""

    def __init__(self, first: Any, count: int, path: Path) -> None:
        self.first, self.path = first, path
        named, self.structure = jax.tree_util.tree_flatten_with_path(
            first, lambda node: node is not first
        )
        self.columns = [
            column_for(child, count, (*path, getattr(key, "name", number)))
            for number, ((key,), child) in enumerate(named)
        ]

    def write(self, start: int, values: list) -> None:
        children = []
        for row, value in enumerate(values, start):
            parts, structure = _opened(value)
            if structure != self.structure:
                raise _mixed(self.path, self.first, row, value)
            children.append(parts)
        for column, parts in zip(
            self.columns, zip(*children, strict=True), strict=True
        ):
            column.write(start, list(parts))

    def batch(self) -> Any:
        rows = [column.batch() for column in self.columns]
        return jax.tree.unflatten(self.structure, rows)


class _HostArrays:
    """NumPy arrays: rows of one array."""

    def __init__(self, first: Any, count: int, path: Path) -> None:
        self.path, self.type = path, type(first)
        first = np.asarray(first)
        self.shape = first.shape
        self.dtype = first.dtype.newbyteorder("=")  # JAX takes native bytes only
        self.rows = np.empty((count, *self.shape), self.dtype)
        self.fast = issubclass(self.type, np.ndarray) and len(self.shape) > 0

    def write(self, start: int, values: list) -> None:
        if not self.write_alike(start, values):
            for row, value in enumerate(values, start):
                self.write_one(row, value)

    def write_alike(self, start: int, values: list) -> bool:
        """Copies them in one call if that takes no conversion; says whether it did."""
        if not self.fast or set(map(type, values)) != {self.type}:
            return False
        if set(map(len, values)) != {self.shape[0]}:
            return False
        rows = self.rows[start : start + len(values)]
        try:
            np.concatenate(values, out=rows.reshape(-1, *self.shape[1:]), casting="no")
        except (TypeError, ValueError):  # another dtype, another shape
            return False
        return True

    def write_one(self, row: int, value: Any) -> None:
        """Copies one, after checks."""
        if not _is_array(value):
            raise _mixed(self.path, self.rows[0], row, value)
        array = np.asarray(value)
        if array.shape != self.shape:
            raise _unequal(self.path, self.rows[0], row, array)
        if array.dtype != self.dtype:
            common = np.promote_types(self.dtype, array.dtype)
            if common.kind in "OSU" and self.dtype.kind != array.dtype.kind:
                raise _mixed(self.path, self.rows[0], row, array)
            self.dtype = common
            self.rows = self.rows.astype(self.dtype, copy=False)
        self.rows[row] = array

    def batch(self) -> np.ndarray:
        return self.rows


class _DeviceArrays:
    """JAX arrays and tracers: stacked at the end."""

    def __init__(self, first: Any, path: Path) -> None:
        self.first, self.path, self.values = first, path, []

    def write(self, start: int, values: list) -> None:
        for row, value in enumerate(values, start):
            if not _is_array(value):
                raise _mixed(self.path, self.first, row, value)
            if np.shape(value) != self.first.shape:
                raise _unequal(self.path, self.first, row, value)
        self.values.extend(values)

    def batch(self) -> jax.Array:
        return jnp.stack(self.values)


class _Numbers:
    """Python and NumPy numbers: one array in the end, of the dtype NumPy gives it."""

    def __init__(self, first: Any, path: Path) -> None:
        self.first, self.path, self.types, self.values = first, path, {type(first)}, []
        self.numpy = True

    def write(self, start: int, values: list) -> None:
        if set(map(type, values)) != self.types:
            for row, value in enumerate(values, start):
                if not _is_array(value):
                    raise _mixed(self.path, self.first, row, value)
                if np.shape(value):
                    raise _unequal(self.path, self.first, row, value)
            self.numpy = self.numpy and namespace(*values) is np
        self.values.extend(values)

    def batch(self) -> Any:
        numbers = (np if self.numpy else jnp).asarray(self.values)
        if numbers.dtype.kind == "O":
            raise TypeError(
                f"Can't make a batch of {_name(self.path)}: NumPy has no dtype for all"
                f" its numbers, {describe(self.values)}. Convert them in the dataset."
            )
        return numbers


class _Objects:
    """Strings and everything else: a list."""

    def __init__(self, first: Any, count: int, path: Path) -> None:
        self.first, self.path, self.values = first, path, []

    def write(self, start: int, values: list) -> None:
        for row, value in enumerate(values, start):
            if _is_array(value):
                raise _mixed(self.path, self.first, row, value)
        self.values.extend(values)

    def batch(self) -> list:
        return self.values


def _opened(value: Any) -> tuple[list, Any]:
    """The children of a pytree, one level deep, and its structure."""
    return jax.tree.flatten(value, lambda node: node is not value)


def _is_node(value: Any) -> bool:
    if value is None or isinstance(value, list):
        return False
    return not jax.tree_util.treedef_is_leaf(_opened(value)[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float | complex | np.generic)


def _is_array(value: Any) -> bool:
    """Whether it can be a row of an array: `__array__` speaks for torch tensors too."""
    if isinstance(value, str | bytes):  # NumPy's own strings have `__array__`
        return False
    return _is_number(value) or hasattr(value, "__array__")


def _name(path: Path) -> str:
    if not path:
        return "the samples"
    return f"field {'.'.join(map(str, path))!r}"


def _unequal(path: Path, first: Any, row: int, other: Any) -> ValueError:
    """The error for arrays of unequal shapes."""
    return ValueError(
        UNEQUAL_SHAPES.format(
            field=_name(path),
            key=path[0] if path else "input",
            first=describe(first),
            other=describe(other),
            row=row,
        )
    )


def _mixed(path: Path, first: Any, row: int, other: Any) -> TypeError:
    """The error for a field that changes its kind."""
    return TypeError(
        MIXED_KINDS.format(
            field=_name(path), first=describe(first), other=describe(other), row=row
        )
    )
