"""BudgetDataset: as many samples as a budget of several counts allows."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np

from tntjax._check import require
from tntjax._numbers import check_at_least, find_outside
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._groups import Groups
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._lengths import at_epoch, check_planned, order_of, read_lengths
from tntjax.dataset._many import read_samples
from tntjax.dataset._pad_batch import join, read_field, read_fields
from tntjax.dataset._protocol import hide_unreadable

NOWHERE = np.iinfo(np.int32).max  # a segment that JAX drops in sums over segments


@pytree
class BudgetDataset(IndexMap):
    """Batches of one shape, filled with samples until one of several counts is used up.

    Samples lie one after the other along the first axis. A batch is full when the next
    sample would go beyond a budget. Its samples are a function of (seed, epoch).

    Args:
      dataset: samples that are dicts of arrays.
      budgets: `{count: most of it in a batch}`, such as `{"node": 4096, "edge": 16384,
        "graph": 256}`.
      size_of: `sample -> {count: how many}`, or columns `{count: [N] integers}`, with
        which no sample is read beforehand. A budget it does not name counts samples.
      fields: `{field: count}`, by which count each field's first axis goes. Fields of
        one that counts samples are stacked, others left out.
      offsets: `{field: count}`: to the values of the field, such as the senders of
        edges, is added how many of the count, such as nodes, lie before the sample.
        Padding is the budget: JAX drops what is scattered there.
      seed: a non-negative integer, None for samples in their order.
      epoch: which epoch; `at_epoch` makes others.

    Raises:
      TypeError: if `dataset` is not one, a number not an integer, or a dict missing.
      ValueError: if a budget is below 1 or unknown, or a sample alone beyond it.

    A sample is a dict: the fields [budget, ...], padded with 0; `segment`, for each
    count int32 [budget], the number of the sample in the batch; and `mask`, bool
    [budget] for the count of samples, or the first if none counts them. The segment of
    padding is beyond the budget of samples, so that `jax.ops.segment_sum` drops it.

    Example:
      >>> graphs = [{"x": [1.0, 2.0], "to": [1]}, {"x": [3.0], "to": [0]}]
      >>> (batch,) = BudgetDataset(
      ...     graphs,
      ...     {"node": 4, "edge": 3, "graph": 2},
      ...     lambda sample: {"node": len(sample["x"]), "edge": len(sample["to"])},
      ...     fields={"x": "node", "to": "edge"},
      ...     offsets={"to": "node"},
      ... )
      >>> batch["x"].tolist(), batch["to"].tolist()
      ([1.0, 2.0, 3.0, 0.0], [1, 2, 4])
      >>> batch["segment"]["node"].tolist(), batch["mask"].tolist()
      ([0, 0, 1, 2], [True, True])

    Purpose: graphs, point clouds, documents, in one compiled shape. Torchnet has no
    counterpart; jraph's `dynamically_batch` pads with a graph of its own.
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
        order = check_planned(self)
        for word in ("budgets", "fields", "offsets"):
            _check_dict(f"{name} needs {word}", getattr(self, word))
        budgets = {
            count: check_at_least(f"{name}: the budget {count!r}", budget, 1)
            for count, budget in self.budgets.items()
        }
        used = {*self.fields.values(), *self.offsets.values()}
        fits = budgets and used <= budgets.keys()
        needs = f"{name} needs fields and offsets that go by budgets {list(budgets)}"
        require(fits, needs, sorted(used, key=str))
        if own := {"mask", "segment"} & self.fields.keys():
            raise ValueError(f"{name} makes fields {sorted(own)}. Rename the samples'.")
        if unknown := self.offsets.keys() - self.fields.keys():
            raise ValueError(f"{name}: offsets of {sorted(unknown)}, not in fields.")
        columns = _read_columns(self.dataset, self.size_of, budgets, f"{name}: size_of")
        vars(self).update(order, budgets=budgets, size_of=columns)
        vars(self)["plan"] = self._fill(order_of(len(self.dataset), **order))

    def _fill(self, order: np.ndarray) -> Groups:
        """Divides samples, in their order, into batches within the budgets."""
        columns = self._sizes(order).values()
        # For each count how many there are before each sample, and behind the last.
        sums = [np.append(0, np.cumsum(column)).data for column in columns]
        limits = list(zip(sums, self.budgets.values(), strict=True))
        ends = [0]
        while (start := ends[-1]) < len(order):
            after = (bisect_right(n, n[start] + most, start) for n, most in limits)
            ends.append(min(after) - 1)
        return Groups(order, ends[:-1], ends[1:])

    def _sizes(self, members: Any) -> dict[str, np.ndarray]:
        """Returns how many of each count the samples have."""
        columns, ones = self.size_of, np.ones(len(members), np.int64)
        return {k: columns[k][members] if k in columns else ones for k in self.budgets}

    at_epoch = at_epoch

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The one shape that there is: the budgets."""
        return (tuple(self.budgets.values()),)

    def __len__(self) -> int:
        return len(self.plan)

    def _get(self, index: int) -> Sample:
        members = self.plan[index]
        tables, sizes = read_fields(self.dataset, members), self._sizes(members)
        batch = {field: self._join(field, tables, sizes) for field in self.fields}
        told = [count for count in self.budgets if count not in self.size_of]
        beyond = self.budgets[told[0]] if told else NOWHERE
        segment = {}
        for count, budget in self.budgets.items():
            segment[count] = np.full(budget, beyond, np.int32)
            numbers = np.repeat(np.arange(len(members)), sizes[count])
            segment[count][: len(numbers)] = numbers
        mask = segment[(told or list(self.budgets))[0]] != beyond
        return {**batch, "segment": segment, "mask": mask}

    def _join(self, field: str, tables: list, sizes: dict[str, np.ndarray]) -> Any:
        """Returns one array [budget, ...] of a field of several samples."""
        count, counted = self.fields[field], self.offsets.get(field)
        arrays = read_field(tables, field, stacked=count not in self.size_of)
        for array, size in zip(arrays, sizes[count].tolist(), strict=True):
            if len(array) != size:
                raise ValueError(
                    f"BudgetDataset: field {field!r} is {describe(array)}, but size_of"
                    f" tells {size} for {count!r}."
                )
        starts = np.cumsum(sizes[count]) - sizes[count]
        if counted is None:
            return join(arrays, starts, self.budgets[count], 0, field)
        own, before = f"BudgetDataset: field {field!r} has", 0
        for place, size in enumerate(sizes[counted].tolist()):
            array = arrays[place]
            integer = not array.size or array.dtype.kind in "iu"
            needs = f"{own} offsets, so it needs integers"
            require(integer, needs, array, error=TypeError)
            wrong = find_outside(array, size)
            needs = f"{own} numbers of {counted!r}, of which the sample has {size}"
            require(wrong is None, needs, wrong)
            arrays[place] = array.astype(np.int32) + np.int32(before)
            before += size
        return join(arrays, starts, self.budgets[count], self.budgets[counted], field)


def _check_dict(subject: str, value: Any) -> None:
    require(isinstance(value, Mapping), f"{subject}, a dict", value, error=TypeError)


def _read_columns(
    dataset: Dataset, size_of: Any, budgets: dict, name: str
) -> dict[str, np.ndarray]:
    """Returns for each count that is not of samples a column [N]."""
    if callable(size_of):
        rows = list(range(len(dataset)))
        told: list[Any] = [size_of(s) for s in read_samples(dataset, rows)]
        for one in told:
            _check_dict(f"{name} must return the sizes of a sample", one)
            needs = f"{name} must return the same counts for each sample"
            require(one.keys() == told[0].keys(), needs, list(told[0]), list(one))
        size_of = {k: [one[k] for one in told] for k in (told[0] if told else ())}
    _check_dict(f"{name} must be a function, or columns", size_of)
    if unknown := size_of.keys() - budgets.keys():
        raise ValueError(
            f"{name} tells {sorted(unknown)}, for which there is no budget, only for"
            f" {list(budgets)}."
        )
    if not len(dataset):
        raise ValueError(f"{name}: the dataset is empty.")
    return {
        count: read_lengths(dataset, column, f"{name}, {count!r}", budgets[count])
        for count, column in size_of.items()
    }
