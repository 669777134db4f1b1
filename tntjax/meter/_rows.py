"""Rows that a meter keeps: in slots made beforehand, or on the host as they come.

A meter that uses this has the static field `capacity`, the field `n`, and columns. With
a capacity each column is an array with one slot a row, so that compiled code can fill
it; without one it's a tuple of NumPy arrays, ever shorter ones, which are joined as a
binary counter carries: whatever is added, a row is copied log2(n) times at most, and a
meter shares what it can with those made from it.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax.meter._count import Count
from tntjax.meter._gathered import gathered
from tntjax.utils import check_integer, host_zeros, namespace

Meter = TypeVar("Meter", bound=Any)
Columns = dict[str, Any]
Form = Mapping[str, tuple[tuple[int, ...], type]]
"""For each column the shape of one row and its dtype."""


def start(meter: Any, form: Form) -> None:
    """Gives a meter that is being made its empty columns and checks its capacity.

    Args:
      meter: a meter whose columns are None, or are there already.
      form: its columns.

    Raises:
      TypeError: if `capacity` is neither None nor an integer.
      ValueError: if it is below 1.
    """
    check_count(meter.capacity, f"{type(meter).__name__} needs capacity")
    for name, (shape, dtype) in form.items():
        if getattr(meter, name) is None:
            slots = meter.capacity
            column = () if slots is None else np.zeros((slots, *shape), dtype)
            object.__setattr__(meter, name, column)


def check_count(number: Any, subject: str) -> None:
    """Raises an error `"{subject} ..."` unless a number is None or 1 or more."""
    if number is None:
        return
    if check_integer(number, f"{subject} to be an integer") < 1:
        raise ValueError(f"{subject} >= 1, got {number}.")


def add(meter: Meter, rows: Columns, mask: Any, form: Form) -> Meter:
    """Returns the meter with rows put behind those it has.

    Args:
      meter: the meter.
      rows: for each column [B, ...], the rows to add.
      mask: bool, broadcasts to [B], or None; False takes no slot.
      form: the meter's columns.

    Returns:
      The new meter. Rows that find no slot are counted in `n` all the same.

    Raises:
      TypeError: if rows are traced and there is no capacity.
    """
    if meter.capacity is None:
        return _grow(meter, rows, mask, form)
    columns = {name: getattr(meter, name) for name in rows}
    columns, n = _put(columns, meter.n, rows, mask)
    return dataclasses.replace(meter, **columns, n=n)


def merge(
    meter: Meter,
    other: Any,
    names: tuple[str, ...],
    made_with: tuple[str, ...] = ("capacity",),
) -> Meter:
    """Returns the meter with the other's rows put behind its own.

    Args:
      meter: the meter.
      other: what should be another such meter.
      names: its columns.
      made_with: the static fields that both must have in common.

    Returns:
      The new meter, of the same capacity.

    Raises:
      TypeError: if `other` is no such meter.
      ValueError: if it was made with other arguments.
    """
    check_same(meter, other, made_with)
    rows = {name: getattr(other, name) for name in names}
    if meter.capacity is None:
        for part in zip(*rows.values(), strict=True):
            meter = _join(meter, dict(zip(names, part, strict=True)))
        return meter
    columns = {name: getattr(meter, name) for name in names}
    leaves = (columns, meter.n, rows, other.n)
    on_host = namespace(*jax.tree.leaves(leaves)) is np and np.ndim(meter.n.low) == 0
    columns, n = (_behind_on_host if on_host else _behind)(*leaves)
    return dataclasses.replace(meter, **columns, n=n)


def check_same(meter: Any, other: Any, made_with: tuple[str, ...]) -> None:
    """Raises an error unless two meters are of a kind and made with the same.

    Args:
      meter: the meter whose `merge` was called.
      other: what it was called with.
      made_with: the static fields that must be equal.

    Raises:
      TypeError: if `other` is of another class.
      ValueError: if one of the fields differs.
    """
    name = type(meter).__name__
    if not isinstance(other, type(meter)):
        article = "an" if name[0] in "AN" else "a"
        raise TypeError(
            f"{name}.merge needs {article} {name}, got {describe(other)}."
            " To count examples in, use add."
        )
    for field in made_with:
        mine, others = getattr(meter, field), getattr(other, field)
        if mine != others:
            raise ValueError(
                f"{name}.merge needs two meters with the same {field}, got {mine!r}"
                f" and {others!r}."
            )


def reset(meter: Meter, names: tuple[str, ...]) -> Meter:
    """Returns the meter without rows, on the host."""
    if meter.capacity is not None:
        return host_zeros(meter)
    return dataclasses.replace(meter, **dict.fromkeys(names), n=Count())


def held(meter: Any, form: Form) -> tuple[Columns, Any]:
    """Returns a meter's columns, each as one array, and the number of rows."""
    columns = {name: getattr(meter, name) for name in form}
    if meter.capacity is not None:
        return columns, meter.n.integers()
    for name, chunks in columns.items():
        empty = np.zeros((0, *form[name][0]), form[name][1])
        columns[name] = namespace(*chunks).concatenate((empty, *chunks))
    return columns, np.int32(len(columns[name]))


def check_room(meter: Any) -> None:
    """Raises a ValueError if there came more rows than there are slots."""
    if overflows(meter):
        came = _most(meter.n)
        raise ValueError(
            f"{type(meter).__name__} was given {came} rows, but has"
            f" capacity={meter.capacity}, so some are lost. Make it with"
            f" capacity={came} or more."
        )


def overflows(meter: Any) -> bool:
    """True if there came more rows than there are slots."""
    return meter.capacity is not None and _most(meter.n) > meter.capacity


def _most(n: Count) -> int:
    """Returns the number of rows, of a stack of meters the largest."""
    return int(jax.device_get(n).integers().max())


@functools.partial(jax.jit, inline=True)
def _put(columns: Columns, n: Count, rows: Columns, mask: Any) -> tuple:
    """Fills slots from number `n` on, and counts the rows."""
    columns, n, rows, mask = gathered((columns, n, rows, mask))
    size, slots = (len(jax.tree.leaves(tree)[0]) for tree in (rows, columns))
    first = jnp.minimum(n.integers(), slots)
    if mask is None:
        # What comes with too many rows goes anywhere: it won't be read.
        def put(column: Any, row: Any) -> Any:
            row = row[:slots].astype(column.dtype)
            return jax.lax.dynamic_update_slice_in_dim(column, row, first, 0)

        return jax.tree.map(put, columns, rows), n + np.int32(size)
    mask = jnp.broadcast_to(mask, (size,))
    places = jnp.where(mask, first + jnp.cumsum(mask, dtype=jnp.int32) - 1, slots)

    def scatter(column: Any, row: Any) -> Any:
        return column.at[places].set(row.astype(column.dtype), mode="drop")

    return jax.tree.map(scatter, columns, rows), n + mask.sum(dtype=jnp.int32)


@jax.jit
def _behind(columns: Columns, n: Count, rows: Columns, count: Count) -> tuple:
    def put(columns: Columns, n: Count, rows: Columns, count: Count) -> tuple:
        slots = len(jax.tree.leaves(rows)[0])
        merged, _ = _put(columns, n, rows, jnp.arange(slots) < count.integers())
        return merged, n + count

    for _ in range(np.ndim(n.low)):
        put = jax.vmap(put)
    return put(columns, n, rows, count)


def _behind_on_host(columns: Columns, n: Count, rows: Columns, count: Count) -> tuple:
    first, size = int(n), int(count)

    def put(column: Any, row: Any) -> Any:
        column = column.copy()
        column[first : first + size] = row[: max(0, min(size, len(column) - first))]
        return column

    return jax.tree.map(put, columns, rows), n + count


def _grow(meter: Any, rows: Columns, mask: Any, form: Form) -> Any:
    leaves = jax.tree.leaves((rows, mask, meter.n))
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        name = type(meter).__name__
        raise TypeError(
            f"{name}.add was called in compiled code, but without a capacity the meter"
            f" grows on the host. Make it with room for every row:"
            f" {name}(capacity=len(dataset))."
        )
    kept = {  # copies, as what was given may change
        name: np.array(row, form[name][1], copy=True) for name, row in rows.items()
    }
    if mask is not None:
        size = len(next(iter(kept.values())))
        mask = np.broadcast_to(np.asarray(mask), (size,))
        kept = {name: row[mask] for name, row in kept.items()}
    return _join(meter, kept)


def _join(meter: Any, rows: Columns) -> Any:
    size = len(next(iter(rows.values())))
    if size == 0:
        return meter
    columns = {name: _carry(getattr(meter, name), row) for name, row in rows.items()}
    return dataclasses.replace(meter, **columns, n=Count.of(int(meter.n) + size))


def _carry(chunks: tuple, rows: Any) -> tuple:
    """Puts rows behind, joined with all chunks that aren't longer."""
    first, size = len(chunks), len(rows)
    while first and len(chunks[first - 1]) <= size:
        first -= 1
        size += len(chunks[first])
    return (*chunks[:first], np.concatenate((*chunks[first:], rows)))
