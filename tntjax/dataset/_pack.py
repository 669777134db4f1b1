"""PackDataset: several samples in one row."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tntjax._check import require
from tntjax._numbers import check_at_least
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._groups import Groups
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._lengths import at_epoch, check_planned, order_of, read_lengths
from tntjax.dataset._pad_batch import as_padded_fields, join, read_field, read_fields
from tntjax.dataset._protocol import hide_unreadable

AT_ONCE = 256  # windows that are filled together: few calls of NumPy, little memory


@pytree
class PackDataset(IndexMap):
    """Rows of one length, each filled with whole samples: one shape, hardly padding.

    In each window of samples each goes into the first row that has room for it. The
    plan of a window is a function of (seed, epoch, window).

    Args:
      dataset: samples that are dicts with arrays of one length, or such arrays.
      length: T, how long a row is; no sample may be longer.
      window: from how many samples at a time rows are filled.
      lengths: how long each sample is, as `BucketDataset` takes it. Samples of length 0
        are in no row.
      fields: names of the fields to pack, None for all of a sample. The length is that
        of all of them.
      fill: what to pad with.
      seed: a non-negative integer, None for samples in their order.
      epoch: which epoch; `at_epoch` makes others.

    Raises:
      TypeError: if `dataset` is not one, or a number not an integer.
      ValueError: if a number is too small, a sample longer than a row, or `fields` a
        dict that gives one another length.

    A sample is a dict: the fields [T, ...], `segment` [T] int32, which numbers the
    samples of a row from 1 on and is 0 for padding, and `position` [T] int32 in each.

    Example:
      >>> rows = PackDataset([[1, 2, 3], [4, 5], [6]], length=4)
      >>> rows[0]["input"].tolist(), rows[0]["segment"].tolist()
      ([1, 2, 3, 6], [1, 1, 1, 2])
      >>> rows[1]["input"].tolist(), rows[1]["position"].tolist()
      ([4, 5, 0, 0], [0, 1, 0, 0])

    Purpose: language models on documents, without padding; `tnt.text.segment_mask`
    keeps them apart. `BatchDataset(PackDataset(...), 32)` has batches of rows. Torchnet
    has no counterpart.
    """

    dataset: Dataset = child(hide_unreadable)
    length: int = static()
    window: int = static(default=1024)
    lengths: Any = child(Opaque, default=None)
    fields: Sequence[str] | None = child(Opaque, default=None)
    fill: float = static(default=0)
    seed: int | None = static(default=None)
    epoch: int = static(default=0)
    plan: Any = child(Opaque, init=False)

    def __post_init__(self) -> None:
        name = type(self).__name__
        order = check_planned(self)
        length = check_at_least(f"{name}: length", self.length, 1)
        window = check_at_least(f"{name}: window", self.window, 1)
        own = self.fields.values() if isinstance(self.fields, Mapping) else ()
        needs = f"{name} needs a list of names as fields, all of length {length}"
        require(all(end in (None, length) for end in own), needs, self.fields)
        lengths = read_lengths(self.dataset, self.lengths, name, length)
        samples = order_of(len(lengths), **order)
        samples = samples[lengths[samples] > 0]
        plan = _fill_rows(samples, lengths[samples], length, window)
        vars(self).update(order, length=length, lengths=lengths, plan=plan)

    at_epoch = at_epoch

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The one shape that there is."""
        return ((self.length,),)

    def __len__(self) -> int:
        return len(self.plan)

    def _get(self, index: int) -> Sample:
        members = self.plan[index]
        tables, sizes = read_fields(self.dataset, members), self.lengths[members]
        names = tuple(tables[0]) if self.fields is None else self.fields
        row, starts = {}, np.cumsum(sizes) - sizes
        for name in as_padded_fields(names, tables[0]):
            arrays = read_field(tables, name)
            _check_field(name, arrays, sizes.tolist())
            row[name] = join(arrays, starts, self.length, self.fill, name)
        segment, position = np.zeros((2, self.length), np.int32)
        used = int(sizes.sum())
        segment[:used] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
        position[:used] = np.arange(used) - np.repeat(starts, sizes)
        return {**row, "segment": segment, "position": position}


def _fill_rows(order: np.ndarray, sizes: np.ndarray, room: int, window: int) -> Groups:
    """Puts the samples of each window, in order, into its first row that has room."""
    window = max(1, min(window, len(order)))
    rows = np.empty(len(order), np.int64)
    for start in range(0, len(order), window * AT_ONCE):
        some = sizes[start : start + window * AT_ONCE]
        filled = np.pad(some, (0, -len(some) % window)).reshape(-1, window)
        places = _first_fit(filled, room) + window * np.arange(len(filled))[:, None]
        rows[start : start + len(some)] = start + places.ravel()[: len(some)]
    by_row = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[by_row], prepend=-1))
    return Groups(order[by_row], starts, np.append(starts, len(order))[1:])


def _first_fit(sizes: np.ndarray, room: int) -> np.ndarray:
    """Returns for sizes [windows, n] the places [windows, n] of their rows."""
    every, places = np.arange(len(sizes)), np.empty_like(sizes)
    left = np.full(sizes.shape, room)  # all of it in rows that are not begun
    begun = 0  # at most, of any window
    for number, size in enumerate(sizes.T):
        place = (left[:, : begun + 1] >= size[:, None]).argmax(1)
        left[every, place] -= size
        places[:, number] = place
        begun = max(begun, int(place.max()) + 1)
    return places


def _check_field(name: str, arrays: list[np.ndarray], sizes: list[int]) -> None:
    if name in ("segment", "position"):
        raise ValueError(
            f"PackDataset makes a field `{name}`, and the samples have one. Rename"
            " theirs, or leave it out: fields=(...)."
        )
    for array, size in zip(arrays, sizes, strict=True):
        if len(array) != size:
            raise ValueError(
                f"PackDataset: a sample has length {size}, but its field {name!r} is"
                f" {describe(array)}. Name the fields to pack: fields=(...)."
            )
