"""ConcatDataset: one dataset after the other."""

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._many import read_samples
from tntjax.dataset._take import (
    below,
    check_index,
    check_indices,
    in_order,
    map_columns,
    on_device,
    sample_bytes,
    take,
    uniform_length,
    with_flat,
)
from tntjax.utils import check_dataset, namespace, with_one_dtype


@pytree
class ConcatDataset:
    """The samples of several datasets, one dataset after the other.

    Args:
      datasets: a list of at least one dataset; some may be empty.

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

    Torchnet: `dataset/concatdataset.lua`. The lengths are read once there and here, so
    a list that grows afterwards does not shift what follows it.
    """

    datasets: Sequence[Dataset] = child(lambda datasets: tuple(map(below, datasets)))
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

    __iter__ = in_order

    def __getitem__(self, index: int) -> Sample:
        index = check_index(self, index)
        if isinstance(index, jax.Array):
            return self.take(index)
        member = bisect_right(self.ends, index)
        return self.datasets[member][index - self._start(member)]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        flat = np.asarray(check_indices(self, indices))
        samples: list[Any] = [None] * len(flat)
        for member, places in self._members(flat):
            rows = flat[places] - self._start(member)
            read = read_samples(self.datasets[member], rows.tolist())
            for place, sample in zip(places.tolist(), read, strict=True):
                samples[place] = sample
        return samples

    def take(self, indices: ArrayLike) -> Sample:
        """Reads many samples at once: one `take` from each dataset that has some.

        Traced indices are read from every dataset, and the right row is selected.

        Args:
          indices: integers of any shape S; may be traced if all datasets lie on a
            device and their samples are alike.

        Returns:
          The sample with leaves [*S, ...].

        Raises:
          IndexError: if an index on the host is out of range.
          TypeError: if `indices` are traced and a dataset can be read on the host
            only, or samples are not alike; or if dtypes do not mix, as those of numbers
            and strings, or of int64 and uint64.
          ValueError: if samples of different datasets cannot be stacked.
        """
        rows = check_indices(self, indices)
        if isinstance(rows, jax.Array):
            return self._select(rows)
        return with_flat(self._gather, rows)

    def _start(self, member: int) -> int:
        return self.ends[member - 1] if member else 0

    def _filled(self) -> Iterator[tuple[Dataset, int]]:
        """The datasets that have samples, and where each starts."""
        for member, dataset in enumerate(self.datasets):
            if self.ends[member] > self._start(member):
                yield dataset, self._start(member)

    def _members(self, flat: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Groups samples [N] by dataset: its number, and the places of its samples."""
        members = np.searchsorted(np.array(self.ends), flat, side="right")
        counts = np.bincount(members, minlength=len(self.ends))
        present = np.flatnonzero(counts)
        places = np.split(
            np.argsort(members, kind="stable"), np.cumsum(counts[present])
        )
        return list(zip(present.tolist(), places[:-1], strict=True))

    def _gather(self, flat: np.ndarray) -> Sample:
        """Samples [N], read dataset by dataset on the host."""
        if not len(flat):
            dataset, _ = next(self._filled(), (self.datasets[0], 0))
            return take(dataset, flat)
        present, places = zip(*self._members(flat), strict=True)
        if len(present) == 1:
            return take(self.datasets[present[0]], flat - self._start(present[0]))
        parts = [
            take(self.datasets[member], flat[place] - self._start(member))
            for member, place in zip(present, places, strict=True)
        ]
        for member, part in zip(present, parts, strict=True):
            if _kind(part, stacked=True) != _kind(parts[0], stacked=True):
                raise ValueError(_unlike(present[0], member, parts[0], part))
        columns, structures = zip(*map(_columns, parts), strict=True)
        try:
            rows = [_scattered(parts, places) for parts in zip(*columns, strict=True)]
        except TypeError as error:
            message = _unlike(present[0], present[1:], parts[0], parts[1:])
            raise TypeError(f"{message} {error}") from error
        return jax.tree.unflatten(structures[0], rows)

    def _select(self, rows: Any) -> Sample:
        """Samples [*S] where no shape may depend on a value."""
        batch = None
        for dataset, start in self._filled():
            local = rows - np.int64(start)
            part = take(dataset, local.clip(0, len(dataset) - 1))
            if batch is None:
                batch = part
                continue
            if _kind(part) != _kind(batch):
                raise TypeError(
                    "ConcatDataset: compiled code chooses between samples that are"
                    f" alike only, but got {describe(batch)} and {describe(part)}. Make"
                    " them alike, or keep the arrays in NumPy."
                )
            batch = jax.tree.map(partial(_either, local >= 0), part, batch)
        return take(self.datasets[0], rows) if batch is None else batch

    @property
    def uniform_length(self) -> int:
        """The samples up to the first dataset whose samples are of another kind."""
        total, first = 0, None
        for dataset, _ in self._filled():
            alike = uniform_length(dataset)
            if not alike:
                break
            kind = _kind_of_samples(dataset)
            if kind != (first or kind):
                break
            first, total = kind, total + alike
            if alike < len(dataset):
                break
        return total

    @property
    def on_device(self) -> bool:
        """Whether all datasets are, and their samples are alike."""
        filled = [dataset for dataset, _ in self._filled()]
        if not filled or not all(map(on_device, filled)):
            return False
        first, *others = map(_kind_of_samples, filled)
        return all(other == first for other in others)

    @property
    def sample_bytes(self) -> int:
        """The bytes of a sample of the first dataset that has one."""
        return next((sample_bytes(dataset) for dataset, _ in self._filled()), 0)


def _columns(batch: Sample) -> tuple[list, Any]:
    return jax.tree.flatten(batch, is_leaf=lambda node: isinstance(node, list))


def _kind(batch: Sample, stacked: bool = False) -> tuple[Any, list]:
    """What must be equal for two to be alike; or to be stacked, if they are batches."""
    columns, structure = _columns(batch)
    return structure, [
        list
        if isinstance(column, list)
        else (column.shape[1:] if stacked else (column.shape, column.dtype))
        for column in columns
    ]


def _kind_of_samples(dataset: Dataset) -> tuple[Any, list]:
    if on_device(dataset):  # nothing is read
        return _kind(jax.eval_shape(take, dataset, np.int64(0)))
    return _kind(map_columns(_as_column, dataset[0]))


def _as_column(value: Any) -> Any:
    known = isinstance(value, list) or hasattr(value, "dtype")
    return value if known else np.asarray(value)


def _scattered(columns: Sequence[Any], places: Sequence[np.ndarray]) -> Any:
    """One column of the parts, each put to its places."""
    count = sum(map(len, places))
    if isinstance(columns[0], list):
        rows = [None] * count
        for column, place in zip(columns, places, strict=True):
            for row, value in zip(place.tolist(), column, strict=True):
                rows[row] = value
        return rows
    columns = with_one_dtype(columns)
    if (xp := namespace(*columns)) is not np:
        back = np.empty(count, np.int32)
        back[np.concatenate(places)] = np.arange(count)
        return xp.concatenate(columns)[back]
    rows = np.empty((count, *columns[0].shape[1:]), columns[0].dtype)
    for column, place in zip(columns, places, strict=True):
        rows[place] = column
    return rows


def _unlike(first: int, others: Any, one: Sample, other: Any) -> str:
    return (
        f"ConcatDataset: samples of datasets {first} and {others} cannot be stacked:"
        f" {describe(one)} and {describe(other)}."
    )


def _either(which: Any, yes: Any, no: Any) -> Any:
    """`yes` [*S, ...] where `which` [*S] holds, else `no`."""
    wide = jax.lax.broadcast_in_dim(which, yes.shape, range(which.ndim))
    return jax.lax.select(wide, yes, no)
