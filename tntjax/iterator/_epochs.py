"""Epochs: what both iterators have in common."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from tntjax._check import is_kept
from tntjax._numbers import check_integer
from tntjax._types import Chunk, Room, Sample
from tntjax.dataset._protocol import check_index
from tntjax.iterator._chunk import group
from tntjax.transform._writable import copy_writable


class Epochs:
    """Yields samples from any place in any epoch, transformed and filtered.

    An iterator has `_count`, `_samples` and `_chunks`, which rely on a position >= 0.
    """

    perm: Callable[[int], int] | None
    filter: Callable[[Sample], bool] | None
    transform: Callable[[Sample], Sample] | None

    def __len__(self) -> int:
        """Returns how many samples a run yields: of epoch 0, if epochs differ."""
        if self.filter is not None:
            raise TypeError(
                "An iterator with a filter has no len: how many samples it yields is"
                " known once all are read. len(dataset) is how many it reads."
            )
        return self._count()

    def __iter__(self) -> Iterator[Sample]:
        return self.run()

    def run(self, epoch: int = 0, start: int = 0) -> Iterator[Sample]:
        """Yields the samples of an epoch; several runs may be under way at once.

        Args:
          epoch: which epoch, given to a function that makes the dataset.
          start: how many samples to leave out at the front; those that the filter
            drops do not count.

        Raises:
          ValueError: if `epoch` or `start` is negative.
          TypeError: if the function does not return a dataset.
        """
        _check_position(epoch, start)
        return self._samples(epoch, start)

    def chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]:
        """Yields the same samples in chunks of one shape, for an engine.

        Args:
          epoch: which epoch.
          start: how many samples to leave out at the front.
          room: `(position, sample_bytes, length=None) -> most samples`.

        Raises:
          TypeError: if a sample holds something that is not an array of numbers.
        """
        _check_position(epoch, start)
        if type(self).run is not Epochs.run:  # a user's class, with other samples
            return group(self.run(epoch, start), room, start)
        return self._chunks(epoch, start, room)

    # What an iterator adds. These bodies are never run.
    def _count(self) -> int: ...

    def _samples(self, epoch: int, start: int) -> Iterator[Sample]: ...

    def _chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]: ...

    def _skip(self, start: int) -> int:
        """Counts the samples to read and drop: a filter tells only of those it sees."""
        return 0 if self.filter is None else start

    def _find_index(self, dataset: Any, position: int) -> int:
        """Returns what `perm` gives for a position, after checking it."""
        if self.perm is None:
            return position
        index = self.perm(position)
        try:
            # Else a JAX array stayed one if the dataset lies on a device.
            on_host = np.asarray(index) if isinstance(index, jax.Array) else index
            return check_index(dataset, on_host)
        except (IndexError, TypeError) as error:
            error.add_note(f"This is what perm({position}) gave.")
            raise

    def _finish(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Transforms samples and yields those that the filter keeps."""
        for sample in samples:
            if self.transform is not None:
                sample = self.transform(copy_writable(sample))  # which may write to it
            if is_kept(self.filter, sample):
                yield sample


def _check_position(epoch: int, start: int) -> None:
    # Here and not in a generator, which would raise at the first sample only.
    for name, number in {"epoch": epoch, "start": start}.items():
        check_integer(number, f"A position needs an integer {name}")
    if epoch < 0 or start < 0:
        raise ValueError(
            f"A position is epoch >= 0 and start >= 0, got {epoch} and {start}."
        )
