"""The base of meters that keep every score: in slots, or on the host as they come."""

import abc
import dataclasses
import functools
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import host_zeros, namespace, over_rows
from tntjax._struct import static
from tntjax.meter._meter import Meter, check_same, is_traced
from tntjax.meter.parts._arguments import check_optional_size
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import Mask, as_floats, refuse
from tntjax.meter.parts._labels import without_last_axis
from tntjax.meter.parts._mesh import gather

Columns = dict[str, Any]
DTYPES = {"scores": np.float32, "targets": bool, "weights": np.float32}
"""The dtype of each column."""


class MeterOfRows(Meter):
    """The base of meters that keep each score with its target and weight.

    With a capacity each column is an array with one slot a row, so that compiled code
    can fill it. Without one it is a tuple of NumPy arrays, ever shorter ones, which are
    joined as a binary counter carries: whatever is added, a row is copied log2(n) times
    at most, and a meter shares what it can with those made from it.

    Args:
      capacity: how many rows there is room for, or None.
      scores: [capacity, *row] float32, or a tuple of arrays.
      targets: bool, of the shapes of the scores.
      weights: [capacity] float32, or a tuple of arrays; 0 in free slots.
      n: [] how many rows came, with those that found no slot.
    """

    capacity: int | None = static(default=None)
    scores: Any = dataclasses.field(default=None, kw_only=True)
    targets: Any = dataclasses.field(default=None, kw_only=True)
    weights: Any = dataclasses.field(default=None, kw_only=True)
    n: Count = dataclasses.field(default=Count(), kw_only=True)

    def __post_init__(self) -> None:
        subject = f"{type(self).__name__} needs capacity"
        slots = check_optional_size(self.capacity, subject)
        vars(self).update(capacity=slots)
        for name, empty in self._empty(slots or 0).items():
            if getattr(self, name) is None:
                vars(self)[name] = () if slots is None else empty

    def _row(self) -> tuple[int, ...]:
        """Returns the shape of the scores of one row."""
        return ()

    def _empty(self, slots: int) -> Columns:
        shapes = {"scores": self._row(), "targets": self._row(), "weights": ()}
        return {name: np.zeros((slots, *shapes[name]), DTYPES[name]) for name in DTYPES}

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in DTYPES}

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        mask: Mask = None,
    ) -> Self:
        """Counts examples in; see `Meter.add`.

        Args:
          output: [B] or [B, 1] real scores, higher is more positive; [] for one. Of
            several classes [B, K]; there [B] are examples of one class, but [K] is one
            example if `num_classes` is more than 1.
          target: the same shape, real: positive where above 0.
          weight: [B] or [], real and at least 0, how much each example counts.
          mask: [B] bool; False leaves the example out, and takes no slot.

        Raises:
          TypeError: if there is no capacity in compiled code.
          ValueError: if there are other classes than before, or in the memory of the
            host a target is NaN or a weight negative or not finite.
        """
        name = f"{type(self).__name__}.add"
        check_single(self.n, 0)
        scores, targets, mask = self._as_batch(output, target, mask, name)
        weights = _as_weights(weight, scores, mask, name)
        rows = {"scores": scores, "targets": targets, "weights": weights}
        if self.capacity is None:
            return _grow(self, rows, mask)
        columns, n = _put(self._columns(), self.n, rows, mask)
        return dataclasses.replace(self, **columns, n=n)

    @abc.abstractmethod
    def _as_batch(self, output: Any, target: Any, mask: Any, name: str) -> tuple:
        """Returns scores [B, *row] real, targets [B, *row] bool, and the mask [B]."""

    def merge(self, other: Self) -> Self:
        """Puts the rows of another meter behind; the capacity stays the same."""
        check_same(self, other)
        columns, rows, meter = self._columns(), other._columns(), self
        if self.capacity is None:
            for part in zip(*rows.values(), strict=True):
                meter = _join(meter, dict(zip(rows, part, strict=True)))
            return meter
        leaves = (columns, self.n, rows, other.n)
        on_host = namespace(*jax.tree.leaves(leaves)) is np and np.ndim(self.n.low) == 0
        columns, n = (_behind_on_host if on_host else _behind)(*leaves)
        return dataclasses.replace(self, **columns, n=n)

    def reset(self) -> Self:
        """Returns the meter without rows, on the host."""
        if self.capacity is not None:
            return host_zeros(self)
        return dataclasses.replace(self, **dict.fromkeys(DTYPES), n=Count())

    def joined(self) -> tuple[Any, Any, Any, Any]:
        """Returns scores, targets, weights, each as one array, and the number of rows.

        Free slots are among them.
        """
        if self.capacity is not None:
            return *self._columns().values(), self.n.integers()
        columns = [
            namespace(*getattr(self, name)).concatenate((empty, *getattr(self, name)))
            for name, empty in self._empty(0).items()
        ]
        return *columns, np.int32(len(columns[0]))

    def check_room(self) -> None:
        """Raises a ValueError if there came more rows than there are slots."""
        if self.overflows():
            came = _most(self.n)
            raise ValueError(
                f"{type(self).__name__} was given {came} rows, but has"
                f" capacity={self.capacity}, so some are lost. Make it with"
                f" capacity={came} or more."
            )

    def overflows(self) -> bool:
        """True if there came more rows than there are slots."""
        return self.capacity is not None and _most(self.n) > self.capacity


def _as_weights(weight: Any, scores: Any, mask: Any, name: str) -> Any:
    """Returns the weight of each example, float32 [B]; the mask is one of `as_rows`."""
    size = scores.shape[:1]  # [B]
    weight = as_floats(1 if weight is None else weight, np.float32, name, "weights")
    weight = over_rows(without_last_axis(weight), size, f"{name}: weight")
    refuse(
        weight,
        lambda weight: ~((weight >= 0) & np.isfinite(weight)),
        f"{name} needs finite weights >= 0",
        mask,
    )
    return namespace(weight).broadcast_to(weight, size)


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

    for _ in range(np.ndim(n.low)):  # of a stack of meters
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
