"""ShuffleDataset: the samples in a random order."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from jax.core import Tracer

from tntjax._check import check_dataset
from tntjax._numbers import check_at_least
from tntjax._struct import child, flag, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import Spec, find_spec, hide_unreadable
from tntjax.dataset._random_order import KeyedOrder, round_keys
from tntjax.dataset._take import gather

MOST_IN_TABLE = 1_000_000
"""An order of more indices is computed from a key, each index when it is asked for."""


@pytree
class ShuffleDataset(IndexMap):
    """A dataset's samples in an order drawn from a seed.

    The order is a leaf of the pytree: with a new seed compiled code is not traced
    again. Up to a million samples it is an array; for more it is a key, from which the
    index at a position is computed, in no memory.

    Args:
      dataset: what to shuffle.
      seed: a non-negative integer; the order is a function of it and of nothing else.
        It is kept as `seed`, but not where JAX rebuilds the dataset.
      size: how many samples to draw, None for as many as there are.
      replacement: draw each sample independently, so that one may come twice.

    Raises:
      TypeError: if `dataset` is not one, or the seed not an integer.
      ValueError: if the seed is negative, or `size` below 1, or above the length
        without replacement, or if there is nothing to draw from.

    Example:
      >>> dataset = ShuffleDataset(range(5), seed=0)
      >>> sorted(dataset[i] for i in range(5))
      [0, 1, 2, 3, 4]
      >>> len(ShuffleDataset(range(5), seed=0, size=9, replacement=True))
      9

    Purpose: a new order each epoch, `lambda epoch: ShuffleDataset(dataset, epoch)`.

    Torchnet: `dataset/shuffledataset.lua`, which draws from the global generator and
    changes in place on `resample()`.
    """

    dataset: Dataset = child(hide_unreadable)
    seed: dataclasses.InitVar[int]  # of any size: as a leaf it would have to fit int32
    size: int | None = static(default=None)
    replacement: bool = flag(default=False)
    order: Any = dataclasses.field(init=False)

    def __post_init__(self, seed: int) -> None:
        check_dataset(self.dataset, "ShuffleDataset")
        # With None, NumPy would give another order each time.
        seed = check_at_least("ShuffleDataset: seed", seed, 0)
        length, size = len(self.dataset), self._checked_size()
        if max(length, size) > MOST_IN_TABLE:
            keys = round_keys(seed, purpose=int(self.replacement))
            order = KeyedOrder(keys, length, size, self.replacement)
        else:
            generator = np.random.default_rng(seed)
            if self.replacement and length:  # NumPy draws nothing of nothing only so
                order = generator.integers(length, size=size, dtype=np.int32)
            else:
                order = generator.permutation(np.arange(length, dtype=np.int32))[:size]
        vars(self).update(order=order, seed=seed)

    def _checked_size(self) -> int:
        length = len(self.dataset)
        if self.size is None:
            return length
        size = check_at_least("ShuffleDataset: size", self.size, 1)
        if size > length == 0:
            raise ValueError(
                f"ShuffleDataset cannot draw {size} samples of an empty dataset."
            )
        if size > length and not self.replacement:
            raise ValueError(
                f"ShuffleDataset cannot draw {size} of {length} samples without"
                " replacement. Pass replacement=True, or a smaller size."
            )
        return size

    def resample(self, seed: int) -> "ShuffleDataset":
        """Returns the same dataset in the order of another seed."""
        return dataclasses.replace(self, seed=seed)

    def __len__(self) -> int:
        return len(self.order)

    def _get(self, index: int) -> Sample:
        return self._get_wrapped(int(self._draw(index)))

    def _read_each(self, rows: list[int]) -> Iterator[Sample]:
        drawn = self._draw(np.asarray(rows, np.intp))
        return read_samples(self.dataset, drawn.tolist())

    def _take(self, rows: Any) -> Sample:
        if type(self.order) is np.ndarray and not isinstance(rows, Tracer):
            return self._take_wrapped(self.order.take(rows))
        return self._take_wrapped(self._draw(rows))

    def _draw(self, rows: Any) -> Any:
        if isinstance(self.order, KeyedOrder):
            return self.order.look_up(rows, "ShuffleDataset")
        return gather(self.order, rows, "ShuffleDataset")

    @property
    def spec(self) -> Spec:
        """All samples are alike if all of the wrapped dataset are."""
        known = find_spec(self.dataset)
        alike = len(self) if known.alike == len(self.dataset) else 0
        return known._replace(alike=alike)
