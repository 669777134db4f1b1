"""Epochs: what both iterators have in common."""

from collections.abc import Callable, Iterable, Iterator

from tntjax._numbers import check_integer
from tntjax._types import Chunk, Room, Sample
from tntjax.transform._writable import copy_writable


class Epochs:
    """Yields samples from any place in any epoch, transformed and filtered.

    An iterator has `_count`, `_samples` and `_chunks`, which rely on a position >= 0.
    """

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

        Returns:
          An iterator over the samples.

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

        Returns:
          An iterator over chunks.

        Raises:
          TypeError: if a sample holds something that is not an array of numbers.
        """
        _check_position(epoch, start)
        return self._chunks(epoch, start, room)

    def _count(self) -> int: ...

    def _samples(self, epoch: int, start: int) -> Iterator[Sample]: ...

    def _chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]: ...

    def _finish(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Transforms samples and yields those that the filter keeps."""
        for sample in samples:
            if self.transform is not None:
                sample = self.transform(copy_writable(sample))
            if self.filter is None or self.filter(sample):
                yield sample


def _check_position(epoch: int, start: int) -> None:
    for name, number in {"epoch": epoch, "start": start}.items():
        check_integer(number, f"A position needs an integer {name}")
    if epoch < 0 or start < 0:
        raise ValueError(
            f"A position is epoch >= 0 and start >= 0, got {epoch} and {start}."
        )
