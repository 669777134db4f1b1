"""Columns: each takes the same part of every sample, and hands over a batch of it.

The first sample decides which kind a column is. Samples come in blocks: asked of a
whole block at once, a question such as "is this one type?" costs little; asked of each
value, more than its copy.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import empty_aligned, namespace
from tntjax._dtype import common_dtype, convert, with_one_dtype
from tntjax.transform._row import (
    Path,
    as_equal_row,
    as_row,
    describe_path,
    is_node,
    is_number,
    is_row,
    mixed,
    name_field,
    open_node,
)
from tntjax.transform._table import check_keys
from tntjax.utils._table import alike


class Column(Protocol):
    """The place that a part of the samples is written to, row by row."""

    def write(self, start: int, values: list) -> None:
        """Takes the parts of samples `start` and on; they come in order, from 0."""
        ...

    def batch(self) -> Any:
        """Hands over what was written."""
        ...


def column_for(first: Any, count: int, path: Path) -> Column:
    """Returns an empty column for `count` values like the first at a path."""
    if isinstance(first, Mapping | tuple):
        return _Fields(first, count, path)
    if isinstance(first, jax.Array):
        return _DeviceArrays(first, path)
    if not is_row(first):
        return (_Node if is_node(first) else _Objects)(first, count, path)
    if is_number(first):
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
        alike = alike and set(map(len, values)) == {len(self.keys)}
        if not alike or (self.kind is Mapping and type(self.first) is not dict):
            self.check(start, values)  # a Counter, say, answers for any key
        try:
            parts = {key: [value[key] for value in values] for key in self.keys}
        except KeyError:
            self.check(start, values)
            raise
        for key, column in self.columns.items():
            column.write(start, parts[key])

    def check(self, start: int, values: list) -> None:
        """Raises if one isn't as the first."""
        at = f" at {describe_path(self.path)}" if self.path else ""
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
        children, structures = zip(*map(open_node, values), strict=True)
        for row, structure in enumerate(structures):
            if structure != self.structure:
                raise mixed(self.path, self.first, start + row, values[row])
        parts = zip(*children, strict=True)
        for column, rows in zip(self.columns, parts, strict=True):
            column.write(start, list(rows))

    def batch(self) -> Any:
        rows = [column.batch() for column in self.columns]
        return jax.tree.unflatten(self.structure, rows)


class _HostArrays:
    """NumPy arrays: rows of one array."""

    def __init__(self, first: Any, count: int, path: Path) -> None:
        self.path, self.type = path, type(first)
        first = as_row(first, path)
        self.shape = first.shape
        self.dtype = first.dtype
        if not self.dtype.isnative:  # JAX takes native bytes only
            self.dtype = self.dtype.newbyteorder("=")
        self.rows = empty_aligned((count, *self.shape), self.dtype)
        self.fast = issubclass(self.type, np.ndarray) and len(self.shape) > 0

    def write(self, start: int, values: list) -> None:
        if not self.write_alike(start, values):
            for row, value in enumerate(values, start):
                self.write_one(row, value)

    def write_alike(self, start: int, values: list) -> bool:
        """Copies rows in one call, and returns True, if that takes no conversion."""
        if not self.fast or set(map(type, values)) != {self.type}:
            return False
        rows = self.rows[start : start + len(values)]
        try:
            if set(map(len, values)) != {self.shape[0]}:
                return False
            np.concatenate(values, out=rows.reshape(-1, *self.shape[1:]), casting="no")
        except (TypeError, ValueError):  # another dtype or shape, no axes
            return False
        return True

    def write_one(self, row: int, value: Any) -> None:
        """Copies one row, after checks; for its dtype all rows may get a wider one."""
        array = np.asarray(as_equal_row(self.path, self.rows[0], row, value))
        try:
            dtype = common_dtype(self.dtype, array.dtype)
            if dtype != self.dtype:
                self.widen(row, dtype)
            self.rows[row] = convert(array, self.dtype)
        except TypeError as error:
            raise mixed(self.path, self.rows[0], row, array) from error

    def widen(self, done: int, dtype: np.dtype) -> None:
        rows = empty_aligned(self.rows.shape, dtype)
        rows[:done] = convert(self.rows[:done], dtype)  # the rest has no value yet
        self.rows, self.dtype = rows, dtype

    def batch(self) -> np.ndarray:
        return self.rows


class _DeviceArrays:
    """JAX arrays and tracers: stacked at the end."""

    def __init__(self, first: Any, path: Path) -> None:
        self.first, self.path, self.values = first, path, []

    def write(self, start: int, values: list) -> None:
        for row, value in enumerate(values, start):
            self.values.append(as_equal_row(self.path, self.first, row, value))

    def batch(self) -> jax.Array:
        with name_field(self.path):
            return jnp.stack(with_one_dtype(self.values))


class _Numbers:
    """Python and NumPy numbers: one array in the end, of the dtype NumPy gives it."""

    def __init__(self, first: Any, path: Path) -> None:
        self.first, self.path, self.values = first, path, []
        self.types = {type(first)}

    def write(self, start: int, values: list) -> None:
        types = set(map(type, values))
        if not types <= self.types:
            for row, value in enumerate(values, start):
                as_equal_row(self.path, self.first, row, value)
            self.types |= types
        self.values.extend(values)

    def batch(self) -> Any:
        if len(self.types) == 1:
            numbers = np.asarray(self.values)
            kind = numbers.dtype.kind
            # Of integers too large for one dtype NumPy makes floats, or objects.
            if kind in "biufc" and kind == np.asarray(self.first).dtype.kind:
                return numbers
        rows = [as_row(value, self.path) for value in self.values]
        with name_field(self.path):
            if any(row.dtype == object for row in rows):
                raise TypeError("NumPy has no dtype for integers of more than 64 bits.")
            return namespace(*rows).stack(with_one_dtype(rows))


class _Objects:
    """Strings and everything else: a list."""

    def __init__(self, first: Any, count: int, path: Path) -> None:
        self.first, self.path, self.values = first, path, []

    def write(self, start: int, values: list) -> None:
        for row, value in enumerate(values, start):
            if is_row(value) or isinstance(value, Mapping | tuple):
                raise mixed(self.path, self.first, row, value)
        self.values.extend(values)

    def batch(self) -> list:
        return self.values
