"""Scores that a meter keeps: in slots made beforehand, or on the host as they come.

A meter that uses this has the static field `capacity`, the field `n`, and the columns
`scores`, `targets` and `weights`. With a capacity each column is an array with one
slot a row, so that compiled code can fill it; without one it is a tuple of NumPy
arrays, ever shorter ones, which are joined as a binary counter carries: whatever is
added, a row is copied log2(n) times at most, and a meter shares what it can with those
made from it.
"""

import dataclasses
import functools
from typing import Any, TypeVar

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from tntjax._array import host_zeros, namespace
from tntjax.meter._meter import is_traced
from tntjax.meter.parts._arguments import check_optional_size
from tntjax.meter.parts._count import Count
from tntjax.meter.parts._mesh import gather

AnyMeter = TypeVar("AnyMeter", bound=Any)
Columns = dict[str, Any]
DTYPES = {"scores": np.float32, "targets": bool, "weights": np.float32}
"""The dtype of each column."""


def start(meter: Any, row: tuple[int, ...]) -> None:
    """Gives a meter that is being made its empty columns and checks its capacity.

    Args:
      meter: a meter whose columns are None, or are there already.
      row: the shape of the scores of one row.

    Raises:
      TypeError: if `capacity` is neither None nor an integer.
      ValueError: if it is below 1.
    """
    subject = f"{type(meter).__name__} needs capacity"
    slots = check_optional_size(meter.capacity, subject)
    for name, empty in _empty(slots or 0, row).items():
        if getattr(meter, name) is None:
            vars(meter)[name] = () if slots is None else empty
    vars(meter).update(capacity=slots)


def _empty(slots: int, row: tuple[int, ...]) -> Columns:
    shapes = {"scores": row, "targets": row, "weights": ()}
    return {
        name: np.zeros((slots, *shapes[name]), dtype) for name, dtype in DTYPES.items()
    }


def add(
    meter: AnyMeter, scores: Any, targets: Any, weights: Any, mask: Any
) -> AnyMeter:
    """Puts rows behind those that a meter has.

    Args:
      meter: the meter.
      scores: [B] or [B, K] real.
      targets: bool, of the same shape.
      weights: [B] real.
      mask: bool, broadcasts to [B], or None; False takes no slot.

    Returns:
      The new meter. Rows that find no slot are counted in `n` all the same.

    Raises:
      TypeError: if rows are traced and there is no capacity.
    """
    rows = {"scores": scores, "targets": targets, "weights": weights}
    if meter.capacity is None:
        return _grow(meter, rows, mask)
    columns, n = _put(_columns(meter), meter.n, rows, mask)
    return dataclasses.replace(meter, **columns, n=n)


def _columns(meter: Any) -> Columns:
    return {name: getattr(meter, name) for name in DTYPES}


def merge(meter: AnyMeter, other: Any) -> AnyMeter:
    """Puts the rows of another meter behind, after both were found to be the same."""
    columns, rows = _columns(meter), _columns(other)
    if meter.capacity is None:
        for part in zip(*rows.values(), strict=True):
            meter = _join(meter, dict(zip(rows, part, strict=True)))
        return meter
    leaves = (columns, meter.n, rows, other.n)
    on_host = namespace(*jax.tree.leaves(leaves)) is np and np.ndim(meter.n.low) == 0
    columns, n = (_behind_on_host if on_host else _behind)(*leaves)
    return dataclasses.replace(meter, **columns, n=n)


def reset(meter: AnyMeter) -> AnyMeter:
    """Returns the meter without rows, on the host."""
    if meter.capacity is not None:
        return host_zeros(meter)
    return dataclasses.replace(meter, **dict.fromkeys(DTYPES), n=Count())


def join_columns(meter: Any, row: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """Returns scores, targets, weights, each as one array, and the number of rows."""
    if meter.capacity is not None:
        return *_columns(meter).values(), meter.n.integers()  # free slots included
    columns = [
        namespace(*getattr(meter, name)).concatenate((empty, *getattr(meter, name)))
        for name, empty in _empty(0, row).items()
    ]
    return *columns, np.int32(len(columns[0]))


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
    columns, n, rows, mask = gather((columns, n, rows, mask))
    size, slots = (len(jax.tree.leaves(tree)[0]) for tree in (rows, columns))
    first = jnp.minimum(n.integers(), slots)  # the first free slot
    if mask is None:
        # What comes with too many rows goes anywhere: it won't be read.
        def put(column: Any, row: Any) -> Any:
            row = row[:slots].astype(column.dtype)
            return jax.lax.dynamic_update_slice_in_dim(column, row, first, 0)

        return jax.tree.map(put, columns, rows), n + np.int32(size)
    mask = jnp.broadcast_to(mask, (size,))  # [B]
    # [B], the slot of each row; what is masked goes past the end and is dropped
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
    first, size = int(n), int(count)  # mine end there, and so many come behind

    def put(column: Any, row: Any) -> Any:
        column = column.copy()
        column[first : first + size] = row[: max(0, min(size, len(column) - first))]
        return column

    return jax.tree.map(put, columns, rows), n + count


def _grow(meter: Any, rows: Columns, mask: Any) -> Any:
    if is_traced((rows, mask, meter.n)):
        name = type(meter).__name__
        raise TypeError(
            f"{name}.add was called in compiled code, but without a capacity the meter"
            f" grows on the host. Make it with room for every row:"
            f" {name}(capacity=len(dataset))."
        )
    kept = {  # copies, as what was given may change
        name: np.array(rows[name], dtype, copy=True) for name, dtype in DTYPES.items()
    }
    if mask is not None:
        mask = np.broadcast_to(np.asarray(mask), kept["weights"].shape)  # [B]
        kept = {name: row[mask] for name, row in kept.items()}  # the rows that count
    return _join(meter, kept)


def _join(meter: Any, rows: Columns) -> Any:
    size = len(rows["weights"])
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
