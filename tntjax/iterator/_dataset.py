"""DatasetIterator: the samples of a dataset, epoch after epoch."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import jax
import numpy as np

from tntjax._struct import child, pytree, static
from tntjax._types import Chunk, Dataset, Room, Sample, is_dataset
from tntjax.dataset._take import (
    below,
    check_indices,
    on_device,
    sample_bytes,
    take,
    uniform_length,
)
from tntjax.iterator._chunk import (
    IndexedChunk,
    StackedChunk,
    check_arrays,
    grouped,
)
from tntjax.transform._writable import writable
from tntjax.utils import check_optional_functions


@pytree
class DatasetIterator:
    """Yields a dataset's samples in order, from any place in any epoch.

    The iterator has no cursor: the whole position is `(epoch, start)`.

    Args:
      source: a dataset, or a function `epoch -> dataset` for one that changes.
      perm: `position -> index`, on the host.
      filter: `sample -> bool`, whether to yield a sample.
      transform: `sample -> sample`, before the filter. It may write to what it gets,
        as in `TransformDataset`. Traced where the data lies on a device and there is
        no filter.

    Raises:
      TypeError: if `source` is neither a dataset nor a function, or another argument
        neither None nor a function.

    Example:
      >>> list(DatasetIterator([1, 2, 3, 4], filter=lambda x: x % 2 == 0))
      [2, 4]
      >>> shifted = DatasetIterator(lambda epoch: [epoch, epoch + 1, epoch + 2])
      >>> list(shifted.run(epoch=5, start=1))
      [6, 7]

    Torchnet: `dataset/datasetiterator.lua`. There a transform that returns nil ends
    the loop; here None is a sample like any other.
    """

    source: Any = child(below)
    perm: Callable[[int], int] | None = static(default=None)
    filter: Callable[[Sample], bool] | None = static(default=None)
    transform: Callable[[Sample], Sample] | None = static(default=None)

    def __post_init__(self) -> None:
        check_optional_functions(
            "DatasetIterator",
            perm=self.perm,
            filter=self.filter,
            transform=self.transform,
        )
        if not is_dataset(self.source) and not callable(self.source):
            raise TypeError(
                "DatasetIterator needs a dataset (anything with len and [index]) or a"
                f" function epoch -> dataset, got {type(self.source).__name__}."
            )

    def __iter__(self) -> Iterator[Sample]:
        return self.run()

    def run(self, epoch: int = 0, start: int = 0) -> Iterator[Sample]:
        """Yields the samples of an epoch.

        Args:
          epoch: which epoch, given to a `source` that is a function.
          start: how many samples to leave out at the front; those that the filter
            drops do not count.

        Returns:
          An iterator over the samples.

        Raises:
          ValueError: if `epoch` or `start` is negative.
          TypeError: if `source(epoch)` is not a dataset.
        """
        return self._samples(self._dataset(epoch, start), start)

    def chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]:
        """Yields the same samples in chunks of one shape, for an engine.

        A run of samples that are known to be alike is taken at once. Where the
        dataset lies on a device a chunk holds numbers only, and compiled code gathers.

        Args:
          epoch: which epoch.
          start: how many samples to leave out at the front.
          room: `(position, sample_bytes) -> most samples`.

        Returns:
          An iterator over chunks.

        Raises:
          TypeError: if a sample holds something that is not an array of numbers.
        """
        dataset = self._dataset(epoch, start)
        # A filter may change the count, a host transform the shapes: none runs ahead.
        uniform = uniform_length(dataset) if self.filter is None else 0
        resident = uniform > 0 and on_device(dataset)
        if not uniform or (self.transform is not None and not resident):
            yield from grouped(self._samples(dataset, start), room, start)
            return
        if resident:  # what is still on the host, such as an order, moves once an epoch
            dataset = jax.device_put(dataset)
        order = np.arange(start, len(dataset))
        if self.perm is not None:
            order = check_indices(dataset, [self.perm(i) for i in order.tolist()])
        borders = np.flatnonzero(np.diff(order < uniform)) + 1
        for run in np.split(order, borders):
            if not run.size or run[0] >= uniform:
                yield from grouped(self._read(dataset, run.tolist()), room, start)
            elif resident:
                yield from self._indexed(dataset, run.astype(np.int32), room, start)
            else:
                yield from self._taken(dataset, run, room, start)
            start += len(run)

    def _dataset(self, epoch: int, start: int) -> Dataset:
        if epoch < 0 or start < 0:
            raise ValueError(
                f"A position is epoch >= 0 and start >= 0, got {epoch} and {start}."
            )
        if is_dataset(self.source):
            return self.source
        dataset = self.source(epoch)
        if not is_dataset(dataset):
            raise TypeError(
                "DatasetIterator: the function epoch -> dataset must return a dataset"
                f" (anything with len and [index]), got {type(dataset).__name__}."
            )
        return dataset

    def _order(self, dataset: Dataset, start: int) -> Iterable[int]:
        positions, perm = range(start, len(dataset)), self.perm
        # Not with map: a StopIteration of the function would look like the end.
        return positions if perm is None else (perm(p) for p in positions)

    def _samples(self, dataset: Dataset, start: int) -> Iterator[Sample]:
        skipped = 0 if self.filter is None else start
        samples = self._read(dataset, self._order(dataset, start - skipped))
        return islice(samples, skipped, None)

    def _read(self, dataset: Dataset, indices: Iterable[int]) -> Iterator[Sample]:
        for index in indices:
            sample = dataset[index]
            if self.transform is not None:
                sample = self.transform(writable(sample))
            if self.filter is None or self.filter(sample):
                yield sample

    def _indexed(
        self, dataset: Dataset, order: np.ndarray, room: Room, position: int
    ) -> Iterator[Chunk]:
        """Chunks of numbers, for a dataset that compiled code gathers from."""
        while order.size:
            length = min(room(position, order.itemsize), len(order))
            yield IndexedChunk(dataset, order[:length], self.transform)
            position, order = position + length, order[length:]

    def _taken(
        self, dataset: Dataset, order: np.ndarray, room: Room, position: int
    ) -> Iterator[Chunk]:
        """Chunks that are taken on the host, each at once."""
        size, checked = sample_bytes(dataset), False
        while order.size:
            length = min(room(position, size), len(order))
            try:
                samples = take(dataset, order[:length])
            except (TypeError, ValueError):
                # Not alike after all, or an error that will come again in its place.
                yield from grouped(self._read(dataset, order.tolist()), room, position)
                return
            yield StackedChunk(samples if checked else check_arrays(samples))
            position, order, checked = position + length, order[length:], True
