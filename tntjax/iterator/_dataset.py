"""DatasetIterator: the samples of a dataset, epoch after epoch."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

import jax
import numpy as np

from tntjax._check import check_optional_functions
from tntjax._struct import child, pytree, static
from tntjax._types import Chunk, Dataset, Room, Sample
from tntjax.dataset._protocol import (
    MOST_ON_DEVICE,
    find_shapes,
    find_spec,
    hide_unreadable,
)
from tntjax.dataset._shuffle_and_batch import BatchesOfEpochs
from tntjax.dataset._take import take
from tntjax.iterator._chunk import (
    IndexedChunk,
    StackedChunk,
    check_arrays,
    group,
)
from tntjax.iterator._epochs import Epochs
from tntjax.iterator._source import check_source, make_dataset, open_source


@pytree
class DatasetIterator(Epochs):
    """Yields a dataset's samples in order, from any place in any epoch.

    The iterator has no cursor: the whole position is `(epoch, start)`.

    Args:
      source: a dataset, or a function `epoch -> dataset` for one that changes. A
        parameter named `worker` gets 0, so that the same function serves
        `ParallelDatasetIterator`, which describes more of its forms.
      perm: `position -> index`, on the host.
      filter: `sample -> bool`, whether to yield a sample.
      transform: `sample -> sample`, before the filter. It may write to what it gets.
        Traced where the data lies on a device and there is no filter.

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

    source: Any = child(hide_unreadable)
    perm: Callable[[int], int] | None = static(default=None)
    filter: Callable[[Sample], bool] | None = static(default=None)
    transform: Callable[[Sample], Sample] | None = static(default=None)

    def __post_init__(self) -> None:
        functions = {"perm": self.perm, "filter": self.filter}
        check_optional_functions(
            "DatasetIterator", **functions, transform=self.transform
        )
        check_source(self.source, "DatasetIterator")

    @property
    def shapes(self) -> tuple:
        """The shapes that the dataset states, as `BucketDataset` does, else ()."""
        return find_shapes(self._make_dataset(0))

    def prepare(self, epoch: int) -> None:
        """Makes what an epoch begins with, if the source can do so beforehand.

        An engine calls it with the next epoch while a device works at the one before.
        """
        if isinstance(self.source, BatchesOfEpochs):
            self.source.prepare(epoch)

    def _count(self) -> int:
        return len(self._make_dataset(0))  # as `__len__` says, of epoch 0

    def _make_dataset(self, epoch: int) -> Dataset:
        return make_dataset(open_source(self.source, worker=0), epoch, worker=0)

    def _samples(self, epoch: int, start: int) -> Iterator[Sample]:
        return self._read_from(self._make_dataset(epoch), start)

    def _read_from(self, dataset: Dataset, start: int) -> Iterator[Sample]:
        skipped = self._skip(start)  # read all the same, for the filter to count
        order = self._order(dataset, start - skipped)
        return islice(self._read(dataset, order), skipped, None)

    def _order(self, dataset: Dataset, start: int) -> Iterator[int]:
        positions = range(start, len(dataset))  # never a list: there may be very many
        if self.perm is None:
            return iter(positions)
        # Not with map: a StopIteration of the function would look like the end.
        return (self._find_index(dataset, position) for position in positions)

    def _read(self, dataset: Dataset, indices: Iterable[int]) -> Iterator[Sample]:
        # Not with map: a StopIteration of the dataset would look like the end.
        return self._finish(dataset[index] for index in indices)

    def _chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]:
        dataset = self._make_dataset(epoch)
        # A filter may change the count, a host transform the shapes: none runs ahead.
        spec = find_spec(dataset)
        uniform = spec.alike if self.filter is None else 0
        resident = uniform > 0 and spec.on_device
        if self.filter is None:
            room = partial(room, length=uniform or len(dataset))
        if not uniform or (self.transform is not None and not resident):
            yield from group(self._read_from(dataset, start), room, start)
            return
        if resident:  # what is still on the host, such as an order, moves once an epoch
            dataset = jax.device_put(dataset)
        # Runs of samples that are alike, and of the rest, such as a shorter last batch.
        order = self._order(dataset, start)
        for alike, run in groupby(order, lambda index: index < uniform):
            if not alike and resident and len(dataset) == uniform + 1:
                # The one sample of another shape is read where it lies as well.
                chunks = self._single_chunks(dataset, run, room, start)
            elif not alike:
                chunks = group(self._read(dataset, run), room, start)
            elif resident:
                chunks = self._index_chunks(dataset, run, room, start)
            else:
                chunks = self._take_chunks(dataset, run, room, start)
            for chunk in chunks:
                yield chunk
                start += len(chunk)  # for the next run

    def _index_chunks(
        self, dataset: Dataset, run: Iterator[int], room: Room, position: int
    ) -> Iterator[Chunk]:
        # Beyond int32 JAX refuses to gather, unless it may compute in 64 bits.
        kind = np.dtype(np.int32 if len(dataset) <= MOST_ON_DEVICE else np.int64)
        for indices in _split_run(run, room, position, kind.itemsize):
            yield IndexedChunk(dataset, indices.astype(kind), self.transform)

    def _single_chunks(
        self, dataset: Dataset, run: Iterator[int], room: Room, position: int
    ) -> Iterator[Chunk]:
        for index in run:
            room(position, np.dtype(np.intp).itemsize)  # an engine counts what is asked
            yield IndexedChunk(dataset, np.array([index]), self.transform, only=index)

    def _take_chunks(
        self, dataset: Dataset, run: Iterator[int], room: Room, position: int
    ) -> Iterator[Chunk]:
        for indices in _split_run(run, room, position, find_spec(dataset).bytes()):
            try:
                samples = take(dataset, indices)
            except (TypeError, ValueError):
                # Not alike after all, or an error that will come again in its place.
                rest = self._read(dataset, chain(indices.tolist(), run))
                yield from group(rest, room, position)
                return
            yield StackedChunk(check_arrays(samples))
            position += len(indices)


def _split_run(
    run: Iterator[int], room: Room, position: int, size: int
) -> Iterator[np.ndarray]:
    for first in run:  # asks for room only where there is a sample to come
        others = islice(run, room(position, size) - 1)  # of the same iterator
        indices = np.fromiter(chain([first], others), np.int64)  # [K]
        yield indices
        position += len(indices)
