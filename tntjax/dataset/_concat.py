"""ConcatDataset: one dataset after the other."""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from tntjax._array import empty_aligned, namespace
from tntjax._check import check_dataset
from tntjax._dtype import with_one_dtype
from tntjax._struct import child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._columns import map_columns, with_flat
from tntjax.dataset._index_map import IndexMap, find_take
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import Spec, find_spec, hide_unreadable
from tntjax.dataset._take import take
from tntjax.transform._row import flatten


@pytree
class ConcatDataset(IndexMap):
    """The samples of several datasets, one dataset after the other.

    Args:
      datasets: a list of at least one dataset; some may be empty. Their lengths are
        read once.

    Raises:
      TypeError: if `datasets` is not a list of datasets.
      ValueError: if there is none.

    Example:
      >>> dataset = ConcatDataset([range(3), [], range(10, 12)])
      >>> list(dataset)
      [0, 1, 2, 10, 11]
      >>> dataset.take([4, 0]).tolist()
      [11, 0]

    Purpose: several sources, or the shards of one, as a single dataset.

    Torchnet: `dataset/concatdataset.lua`.
    """

    datasets: Sequence[Dataset] = child(
        lambda datasets: tuple(map(hide_unreadable, datasets))
    )
    ends: tuple[int, ...] = static(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.datasets, list | tuple):
            raise TypeError(
                "ConcatDataset needs a list of datasets, got"
                f" {type(self.datasets).__name__}. Put a single one in brackets."
            )
        if not self.datasets:
            raise ValueError("ConcatDataset needs at least one dataset, got none.")
        for position, dataset in enumerate(self.datasets):
            check_dataset(dataset, f"ConcatDataset, entry {position},")
        ends = tuple(itertools.accumulate(map(len, self.datasets)))
        object.__setattr__(self, "datasets", tuple(self.datasets))
        object.__setattr__(self, "ends", ends)

    def __len__(self) -> int:
        return self.ends[-1]

    @cached_property
    def _takes(self) -> tuple[Callable[[Any], Sample], ...]:
        return tuple(map(find_take, self.datasets))

    def _get(self, index: int) -> Sample:
        member = bisect_right(self.ends, index)
        return self.datasets[member][index - self._find_start(member)]

    def _read_each(self, rows: list[int]) -> list[Sample]:
        flat = np.asarray(rows, np.intp)
        samples: list[Any] = [None] * len(flat)
        for member, places in self._group_by_dataset(flat):
            local = flat[places] - self._find_start(member)
            read = read_samples(self.datasets[member], local.tolist())
            for place, sample in zip(places.tolist(), read, strict=True):
                samples[place] = sample
        return samples

    def _take(self, rows: Any) -> Sample:
        # One `take` from each dataset that has some; if traced, from every dataset.
        if isinstance(rows, jax.Array):
            return self._select(rows)
        return with_flat(self._gather, rows)

    def _find_start(self, member: int) -> int:
        return self.ends[member - 1] if member else 0

    def _find_filled(self) -> list[int]:
        """Numbers the datasets that have samples."""
        return [n for n in range(len(self.ends)) if self.ends[n] > self._find_start(n)]

    def _group_by_dataset(self, flat: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Groups samples [N] by dataset: its number, and the places of its samples."""
        members = np.searchsorted(np.array(self.ends), flat, side="right")
        counts = np.bincount(members, minlength=len(self.ends))
        present = np.flatnonzero(counts)
        order = np.argsort(members, kind="stable")
        places = np.split(order, np.cumsum(counts[present]))  # and nothing at the end
        return list(zip(present.tolist(), places[:-1], strict=True))

    def _gather(self, flat: np.ndarray) -> Sample:
        """Reads samples [N] dataset by dataset, on the host."""
        if not len(flat):
            return self._takes[(self._find_filled() or [0])[0]](flat)
        present, places = zip(*self._group_by_dataset(flat), strict=True)
        if len(present) == 1:
            return self._takes[present[0]](flat - self._find_start(present[0]))
        parts = [
            self._takes[member](flat[place] - self._find_start(member))
            for member, place in zip(present, places, strict=True)
        ]
        unlike = "ConcatDataset: samples of datasets {} and {} cannot be stacked: {}."
        kinds = [_find_kind(part, stacked=True) for part in parts]
        for member, part, kind in zip(present, parts, kinds, strict=True):
            if kind != kinds[0]:
                both = f"{describe(parts[0])} and {describe(part)}"
                raise ValueError(unlike.format(present[0], member, both))
        columns, structures = zip(*map(_flatten_columns, parts), strict=True)
        try:
            rows = [_scatter(parts, places) for parts in zip(*columns, strict=True)]
        except TypeError as error:
            both = f"{describe(parts[0])} and {describe(parts[1:])}"
            message = unlike.format(present[0], present[1:], both)
            raise TypeError(f"{message} {error}") from error
        return jax.tree.unflatten(structures[0], rows)

    def _select(self, rows: Any) -> Sample:
        """Reads samples [*S] where no shape may depend on a value."""
        batch = None
        for member in self._find_filled():
            local = rows - np.int64(self._find_start(member))
            part = self._takes[member](local.clip(0, len(self.datasets[member]) - 1))
            if batch is None:
                batch = part
                continue
            if _find_kind(part) != _find_kind(batch):
                raise TypeError(
                    "ConcatDataset: compiled code chooses between samples that are"
                    f" alike only, but got {describe(batch)} and {describe(part)}. Make"
                    " them alike, or keep the arrays in NumPy."
                )
            batch = jax.tree.map(partial(_choose, local >= 0), part, batch)
        return self._takes[0](rows) if batch is None else batch

    @property
    def spec(self) -> Spec:
        """The samples up to the first dataset whose samples are of another kind."""
        filled = [self.datasets[member] for member in self._find_filled()]
        if not filled:
            return Spec(0, False, lambda: 0)
        specs = list(map(find_spec, filled))
        on_device = all(known.on_device for known in specs)
        alike, goes_on, first = 0, True, None
        for dataset, known in zip(filled, specs, strict=True):
            goes_on = goes_on and known.alike > 0
            if not goes_on and not on_device:
                break
            kind = _find_kind_of_samples(dataset, known)
            first = first or kind
            if kind != first:
                on_device = False
                break
            alike += known.alike if goes_on else 0
            goes_on = goes_on and known.alike == len(dataset)
        return Spec(alike, on_device, specs[0].bytes)


def _flatten_columns(batch: Sample) -> tuple[list, Any]:
    return flatten(batch, lambda node: isinstance(node, list))


def _find_kind(batch: Sample, stacked: bool = False) -> tuple[Any, list]:
    """Finds what must be equal for two to be alike; or to be stacked, if batches."""
    columns, structure = _flatten_columns(batch)
    return structure, [
        list
        if isinstance(column, list)
        else (column.shape[1:] if stacked else (column.shape, column.dtype))
        for column in columns
    ]


def _find_kind_of_samples(dataset: Dataset, known: Spec) -> tuple[Any, list]:
    if known.on_device:  # nothing is read
        return _find_kind(jax.eval_shape(take, dataset, np.int64(0)))
    return _find_kind(map_columns(_as_column, dataset[0]))


def _as_column(value: Any) -> Any:
    known = isinstance(value, list) or hasattr(value, "dtype")
    return value if known else np.asarray(value)


def _scatter(columns: Sequence[Any], places: Sequence[np.ndarray]) -> Any:
    """Puts the columns of several parts to their places in one."""
    if isinstance(columns[0], list):
        values = list(itertools.chain(*columns))
        return [values[row] for row in np.argsort(np.concatenate(places)).tolist()]
    columns = with_one_dtype(columns)
    if (xp := namespace(*columns)) is not np:
        return xp.concatenate(columns)[np.argsort(np.concatenate(places))]
    count = sum(map(len, places))
    rows = empty_aligned((count, *columns[0].shape[1:]), columns[0].dtype)
    for column, place in zip(columns, places, strict=True):
        rows[place] = column
    return rows


def _choose(which: Any, yes: Any, no: Any) -> Any:
    """Chooses `yes` [*S, ...] where `which` [*S] holds, else `no`."""
    wide = jax.lax.broadcast_in_dim(which, yes.shape, range(which.ndim))
    return jax.lax.select(wide, yes, no)
