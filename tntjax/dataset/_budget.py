"""BudgetDataset: as many samples as a budget of several counts allows."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tntjax._check import check_dataset
from tntjax._numbers import check_at_least
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._lengths import (
    as_fields,
    check_order,
    check_room,
    order_of,
    read_lengths,
)
from tntjax.dataset._many import read_samples
from tntjax.dataset._pad_batch import pad_batch
from tntjax.dataset._protocol import hide_unreadable
from tntjax.dataset._take import take_one_by_one

NOWHERE = np.iinfo(np.int32).max
"""A segment that JAX drops in a sum over segments, however many there are."""


@pytree
class BudgetDataset(IndexMap):
    """Batches of one shape, filled with samples until one of several counts is used up.

    Samples lie one after the other along the first axis, as graphs do whose nodes and
    edges are counted apart. A batch is full when the next sample would go beyond a
    budget. Which samples are in a batch is a function of (seed, epoch).

    Args:
      dataset: samples that are dicts of arrays.
      budgets: `{count: most of it in a batch}`, such as `{"node": 4096, "edge": 16384,
        "graph": 256}`.
      size_of: `sample -> {count: how many}`, or columns `{count: [N] integers}`, with
        which no sample is read beforehand. A budget that it does not name counts
        samples.
      fields: `{field: count}`, by which count each field's first axis goes. Fields of
        one that counts samples are stacked. Others are left out.
      offsets: `{field: count}`: to the values of the field, such as the senders of
        edges, is added how many of the count, such as nodes, lie before the sample.
        Where there is only padding they are the budget: JAX drops what is scattered
        there.
      seed: a non-negative integer, None for samples in their order.
      epoch: which epoch; `at_epoch` makes others.

    Raises:
      TypeError: if `dataset` is not one, or a number not an integer.
      ValueError: if a budget is below 1 or unknown, or a sample alone beyond it.

    A sample is a dict: the fields [budget, ...], padded with 0; `segment`, a dict of
    int32 [budget] for each count, the number of the sample in the batch, from 0; and
    `mask`, a bool [budget] for the count of samples, or the first if none counts them,
    False in padding. The segment of padding is the budget of samples, or a number
    beyond all, so that `jax.ops.segment_sum` drops it.

    Example:
      >>> graphs = [{"x": [1.0, 2.0], "from": [0], "to": [1]}, {"x": [3.0], "from": [],
      ...     "to": []}, {"x": [4.0, 5.0], "from": [1, 0], "to": [0, 1]}]
      >>> batches = BudgetDataset(
      ...     graphs,
      ...     {"node": 4, "edge": 3, "graph": 2},
      ...     lambda sample: {"node": len(sample["x"]), "edge": len(sample["to"])},
      ...     fields={"x": "node", "from": "edge", "to": "edge"},
      ...     offsets={"from": "node", "to": "node"},
      ... )
      >>> batches[0]["x"].tolist(), batches[0]["segment"]["node"].tolist()
      ([1.0, 2.0, 3.0, 0.0], [0, 0, 1, 2])
      >>> batches[0]["to"].tolist(), len(batches)
      ([1, 4, 4], 2)

    Purpose: graphs, point clouds, documents by the number of tokens, in one compiled
    shape.

    Torchnet has no counterpart. jraph's `dynamically_batch` fills in this way; it pads
    with a graph of its own, which counts as one.
    """

    dataset: Dataset = child(hide_unreadable)
    budgets: Mapping[str, int] = child(Opaque)
    size_of: Any = child(Opaque)
    fields: Mapping[str, str] = child(Opaque)
    offsets: Mapping[str, str] = child(Opaque, default_factory=dict)
    seed: int | None = static(default=None)
    epoch: int = static(default=0)
    plan: Any = child(Opaque, init=False)

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_dataset(self.dataset, name)
        check_order(self.seed, self.epoch, name)
        for count, budget in self.budgets.items():
            check_at_least(f"{name}: the budget {count!r}", budget, 1)
        used = {*self.fields.values(), *self.offsets.values()}
        if not self.budgets or not used <= self.budgets.keys():
            raise ValueError(
                f"{name}: fields and offsets go by budgets {list(self.budgets)}, got"
                f" {sorted(used)}."
            )
        if own := {"mask", "segment"} & self.fields.keys():
            raise ValueError(f"{name} makes fields {sorted(own)}. Rename the samples'.")
        object.__setattr__(self, "size_of", self._read_sizes())
        object.__setattr__(self, "plan", self._fill())

    def _read_sizes(self) -> dict[str, np.ndarray]:
        """Returns for each count a column [N]."""
        sizes: Any = self.size_of
        if callable(sizes):
            everyone = list(range(len(self.dataset)))
            told: list[Any] = [sizes(s) for s in read_samples(self.dataset, everyone)]
            sizes = {k: [one[k] for one in told] for k in (told[0] if told else ())}
        name = f"{type(self).__name__}: size_of"
        unknown = sizes.keys() - self.budgets.keys()
        if unknown:
            raise ValueError(
                f"{name} tells {sorted(unknown)}, for which there is no budget, only"
                f" for {list(self.budgets)}."
            )
        columns = {k: read_lengths(self.dataset, v, name) for k, v in sizes.items()}
        for count, column in columns.items():
            check_room(column, self.budgets[count], f"{name}, {count!r}")
        return columns

    def _fill(self) -> list[list[int]]:
        counts = list(self.budgets)
        most = np.array([self.budgets[count] for count in counts])  # [C]
        one = np.ones(len(self.dataset), np.int64)
        columns = [self.size_of.get(count, one) for count in counts]
        sizes = np.stack(columns, axis=1)  # [N, C]
        batches: list[list[int]] = []
        left = np.zeros_like(most)
        for number in order_of(len(sizes), self.seed, self.epoch).tolist():
            if not batches or (sizes[number] > left).any():
                batches.append([])
                left = most.copy()
            batches[-1].append(number)
            left -= sizes[number]
        return batches

    def at_epoch(self, epoch: int) -> "BudgetDataset":
        """Returns the dataset of another epoch, for which no size is read again."""
        return dataclasses.replace(self, epoch=epoch)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The one shape that there is: the budgets."""
        return (tuple(self.budgets.values()),)

    def __len__(self) -> int:
        return len(self.plan)

    def _get(self, index: int) -> Sample:
        members = self.plan[index]
        tables = [as_fields(sample) for sample in read_samples(self.dataset, members)]
        sizes = {
            count: self.size_of[count][members]
            if count in self.size_of
            else np.ones(len(members), np.int64)
            for count in self.budgets
        }
        batch = {
            field: self._join(field, [table[field] for table in tables], sizes)
            for field in self.fields
        }
        samples = [count for count in self.budgets if count not in self.size_of]
        beyond = self.budgets[samples[0]] if samples else NOWHERE
        batch["segment"] = {}
        for count, budget in self.budgets.items():
            numbers = np.full(budget, beyond, np.int32)
            own = np.repeat(np.arange(len(members)), sizes[count])
            numbers[: len(own)] = own
            batch["segment"][count] = numbers
        told = (samples or list(self.budgets))[0]
        batch["mask"] = batch["segment"][told] != beyond
        return batch

    def _join(self, field: str, values: list, sizes: dict[str, np.ndarray]) -> Any:
        """Returns one array [budget, ...] of a field of several samples."""
        count, counted = self.fields[field], self.offsets.get(field)
        arrays = [np.asarray(value) for value in values]
        if count not in self.size_of:
            arrays = [array[None] for array in arrays]
        for array, size in zip(arrays, sizes[count].tolist(), strict=True):
            if not array.ndim or len(array) != size:
                raise ValueError(
                    f"BudgetDataset: field {field!r} is {describe(array)}, but size_of"
                    f" tells {size} for {count!r}."
                )
        if counted is None:
            whole, fill = np.concatenate(arrays), 0
        else:
            before = np.cumsum(sizes[counted]) - sizes[counted]
            shifted = [array + n for array, n in zip(arrays, before, strict=True)]
            whole = np.concatenate(shifted).astype(np.int32)
            fill = self.budgets[counted]
        return pad_batch([{"x": whole}], self.budgets[count], fill=fill)["x"][0]

    def _take(self, rows: Any) -> Sample:
        return take_one_by_one(self, rows, self._read_each)
