"""SplitDataset: consecutive parts of a dataset, by name."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import jax
import numpy as np

from tntjax._check import check_dataset
from tntjax._numbers import is_number
from tntjax._struct import child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import (
    Spec,
    beyond_device,
    find_spec,
    hide_unreadable,
)

NOT_SELECTED = """SplitDataset has no partition selected; it has {names}.
Wrong:
    split = SplitDataset(dataset, {partitions})
    len(split)
Right:
    split.select({first!r})
or  SplitDataset(dataset, ..., initial_partition={first!r})"""

NEARLY = 1e-12
"""By how much weights such as 0.7 + 0.2 + 0.1 may exceed one.

Coarser floats of NumPy may by four roundings: 5e-7 of float32.
"""


@pytree
class SplitDataset(IndexMap):
    """One of several consecutive parts of a dataset.

    The parts follow each other in the alphabetical order of their names, from sample 0
    on. What they do not cover belongs to none.

    Args:
      dataset: what to split, `n` samples.
      partitions: `{name: number}`. Numbers that sum to at most 1 are weights and give
        `floor(weight * n)` samples, so `{"a": 1, "b": 0}` gives all to `a`, and
        `{"a": 0.2}` alone a fifth. Numbers that sum to more must be whole and are
        sizes. A float32 counts as the decimal that it prints as: 0.7, not 0.69999999.
      initial_partition: the part to read, None to call `select` first.

    Raises:
      TypeError: if `dataset` is not one, or `partitions` not a mapping of strings to
        numbers.
      ValueError: if there is none, or a single one of 1, which could be a weight or a
        size; if one is negative, all are 0, they sum to more than the samples or,
        being fractions, to more than 1.
      KeyError: if there is no partition of the name.

    Example:
      >>> split = SplitDataset(range(10), {"train": 0.8, "test": 0.2})
      >>> len(split.select("train")), list(split.select("test"))
      (8, [0, 1])

    Purpose: holding out samples. Shuffle first, with one fixed seed, if their order
    says something: with a new seed each epoch the parts would mix. A new order each
    epoch belongs around the part.

    Torchnet: `dataset/splitdataset.lua`, whose `select` changes the dataset in place,
    and which takes no single partition. There 0.29 of 100 samples are 28; here a
    product within rounding error of a whole number is that number.
    """

    dataset: Dataset = child(hide_unreadable)
    partitions: Mapping[str, float] = static()
    initial_partition: str | None = static(default=None)
    ranges: Any = static(init=False)

    def __post_init__(self) -> None:
        check_dataset(self.dataset, "SplitDataset")
        if not isinstance(self.partitions, Mapping | tuple):
            raise TypeError(
                "SplitDataset needs partitions {name: number}, got"
                f" {describe(self.partitions)}."
            )
        _check_partitions(dict(self.partitions))
        # Tuples and scalars, since what JAX caches on must be hashable.
        pairs = tuple(
            (name, np.asarray(n)[()] if isinstance(n, jax.Array | np.ndarray) else n)
            for name, n in sorted(dict(self.partitions).items())
        )
        object.__setattr__(self, "partitions", pairs)
        names, numbers = zip(*pairs, strict=True)
        if self.initial_partition not in (None, *names):
            raise KeyError(
                f"SplitDataset has no partition {self.initial_partition!r},"
                f" only {', '.join(names)}."
            )
        length = len(self.dataset)
        ends = itertools.accumulate(_count_samples(numbers, length))
        stops = [min(end, length) for end in ends]  # weights may exceed one a little
        starts = [0, *stops[:-1]]
        object.__setattr__(
            self, "ranges", tuple(zip(names, starts, stops, strict=True))
        )

    def select(self, name: str) -> "SplitDataset":
        """Returns the same split with another partition to read, or raises KeyError."""
        return dataclasses.replace(self, initial_partition=name)

    @cached_property
    def _range(self) -> tuple[int, int]:
        for name, start, stop in self.ranges:
            if name == self.initial_partition:
                return start, stop
        pairs: Any = self.partitions
        names = ", ".join(name for name, _ in pairs)
        raise ValueError(
            NOT_SELECTED.format(names=names, first=pairs[0][0], partitions=dict(pairs))
        )

    def __len__(self) -> int:
        start, stop = self._range
        return stop - start

    def _get(self, index: int) -> Sample:
        return self._get_wrapped(self._range[0] + index)

    def _read_each(self, rows: list[int]) -> Iterator[Sample]:
        start, _ = self._range
        return read_samples(self.dataset, [start + row for row in rows])

    def _take(self, rows: Any) -> Sample:
        start, stop = self._range
        if isinstance(rows, jax.Array) and stop - 1 > np.iinfo(rows.dtype).max:
            raise beyond_device("SplitDataset", len(self.dataset))
        rows = rows + np.int64(start)
        if isinstance(rows, jax.Array):  # may not be looked at: stay in the partition
            rows = rows.clip(start, max(start, stop - 1))
        return self._take_wrapped(rows)

    @property
    def spec(self) -> Spec:
        """The samples of the partition that are among those alike."""
        (start, stop), known = self._range, find_spec(self.dataset)
        return known._replace(alike=max(0, min(known.alike, stop) - start))


def _check_partitions(partitions: Mapping[str, Any]) -> None:
    if not partitions or list(partitions.values()) == [1]:
        raise ValueError(
            f"SplitDataset needs at least two partitions, got {describe(partitions)},"
            " or one that leaves samples out, as {'train': 0.8} does."
        )
    for name, number in partitions.items():
        if not isinstance(name, str):
            raise TypeError(f"SplitDataset needs names that are strings, got {name!r}.")
        if not is_number(number):
            raise TypeError(
                "SplitDataset needs a number for each partition, got"
                f" {describe(number)} for {name!r}."
            )
        if not 0 <= float(number) < math.inf:
            raise ValueError(
                f"SplitDataset needs weights or sizes >= 0, got {number} for {name!r}."
            )
    if not any(partitions.values()):
        raise ValueError("SplitDataset needs a partition that is not 0; all are.")


def _count_samples(numbers: tuple[Any, ...], length: int) -> list[int]:
    coarse = [number for number in numbers if isinstance(number, np.floating)]
    # A float32 of 0.7 is read as the decimal that it prints.
    weights = [float(str(n) if isinstance(n, np.floating) else n) for n in numbers]
    epsilon = float(max(np.finfo(kind).eps for kind in [float, *map(type, coarse)]))
    total = math.fsum(weights)
    if total <= 1 + max(NEARLY, 4 * epsilon):
        # Floors what a product is meant to be: 0.29 * 100 is 29. Beyond a thousandth of
        # a sample no rounding is presumed.
        exact = [weight * length for weight in weights]
        errors = [min(4 * epsilon * product, 1e-3) for product in exact]
        return [math.floor(p + e) for p, e in zip(exact, errors, strict=True)]
    if any(number != int(number) for number in numbers):
        raise ValueError(
            "SplitDataset needs weights that sum to at most 1, or whole sizes; got"
            f" {', '.join(map(str, numbers))}, which sum to {total:.15g}."
        )
    sizes = list(map(int, numbers))
    if sum(sizes) > length:
        raise ValueError(
            f"SplitDataset got partitions of {sum(sizes)} samples in all, but there are"
            f" {length}."
        )
    return sizes
