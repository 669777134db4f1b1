"""ParallelDatasetIterator: samples that workers read ahead."""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any, Literal, Protocol, get_args

from tntjax._struct import describe, pytree, static
from tntjax._types import Chunk, Room, Sample, is_dataset
from tntjax.iterator._chunk import grouped
from tntjax.iterator._processes import Processes
from tntjax.iterator._threads import Threads
from tntjax.transform._writable import writable
from tntjax.utils import check_integer, check_optional_functions

Backend = Literal["thread", "process"]

AHEAD = 2
"""Samples a worker that may be under way or wait for the consumer."""


@pytree
class ParallelDatasetIterator:
    """Yields a dataset's samples in order while workers read the next ones.

    Each worker has a dataset of its own and reads whole samples of it, `dataset[i]`, so
    a `BatchDataset` is read a batch at a time. The samples are those of
    `DatasetIterator`, whatever the number of workers and the backend, and there is no
    cursor: the whole position is `(epoch, start)`.

    Workers start with the first run and stay until `close()`, the end of a `with`
    block, or the end of the iterator's life. At most `2 * num_workers` samples are read
    ahead of the one in hand. Leaving a run early drops what it had read ahead.

    Args:
      closure: `worker -> dataset`, or `worker -> (epoch -> dataset)` for one that
        changes; the workers are numbered from 0. A dataset will do too. It is called
        once in each worker, and must lead to equal datasets everywhere.
      num_workers: how many, at least 1.
      init: `worker -> anything`, called in each worker before `closure`.
      perm: `position -> index`, in the consumer.
      filter: `sample -> bool`, whether to yield a sample, in the consumer.
      transform: `sample -> sample`, before the filter and in the consumer too. What
        takes long belongs into a `TransformDataset` that `closure` returns.
      ordered: yield samples in their order, or as they are done. Only the order makes
        `run(epoch, start)` the rest of `run(epoch)`.
      backend: `"thread"` for loading that waits for files or releases the lock of the
        interpreter, as decoders and NumPy do, or `"process"` for Python that computes.
        A run has new threads over the workers' datasets, which must not be bound to
        one, and its end waits for what they are reading; a process is ended.
        A process gets `closure` and `init` by pickle, returns arrays through shared
        memory, and starts no JAX: a JAX array in a sample arrives as NumPy's.

    Raises:
      TypeError: if an argument has the wrong type, or cannot be pickled for processes.
      ValueError: if `num_workers` is below 1 or there is no such backend.

    Example:
      >>> from tntjax import BatchDataset, ShuffleDataset
      >>> squares = [n * n for n in range(6)]
      >>> def closure(worker):
      ...     return lambda epoch: BatchDataset(ShuffleDataset(squares, seed=epoch), 3)
      >>> with ParallelDatasetIterator(closure, num_workers=2) as iterator:
      ...     whole, rest = list(iterator.run(epoch=1)), list(iterator.run(1, start=1))
      >>> len(whole), (whole[1] == rest[0]).all()
      (2, np.True_)

    Torchnet: `dataset/paralleldatasetiterator.lua`, with `nthread` threads numbered
    from 1 and `ordered` false. There a worker's dataset stayed the same over epochs
    unless `exec` shuffled it, and in order any number of samples was read ahead.
    """

    closure: Any = static()
    num_workers: int = static()
    init: Callable[[int], Any] | None = static(default=None)
    perm: Callable[[int], int] | None = static(default=None)
    filter: Callable[[Sample], bool] | None = static(default=None)
    transform: Callable[[Sample], Sample] | None = static(default=None)
    ordered: bool = static(default=True)
    backend: Backend = static(default="thread")
    _workers: Any = static(init=False)

    def __post_init__(self) -> None:
        functions = ("init", "perm", "filter", "transform")
        check_optional_functions(
            "ParallelDatasetIterator",
            **{name: getattr(self, name) for name in functions},
        )
        if not is_dataset(self.closure) and not callable(self.closure):
            raise TypeError(
                "ParallelDatasetIterator needs a function worker -> dataset, or a"
                f" dataset, got {type(self.closure).__name__}."
            )
        subject = "ParallelDatasetIterator needs an integer num_workers"
        object.__setattr__(
            self, "num_workers", check_integer(self.num_workers, subject)
        )
        if self.num_workers < 1:
            raise ValueError(
                "ParallelDatasetIterator needs num_workers >= 1, got"
                f" {self.num_workers}. Without workers it is a DatasetIterator."
            )
        if self.backend not in get_args(Backend):
            raise ValueError(
                "ParallelDatasetIterator needs backend='thread' or 'process', got"
                f" {self.backend!r}."
            )
        kind = Threads if self.backend == "thread" else Processes
        workers = kind(self.closure, self.init, self.num_workers)
        object.__setattr__(self, "_workers", workers)

    def __iter__(self) -> Iterator[Sample]:
        return self.run()

    def run(self, epoch: int = 0, start: int = 0) -> Iterator[Sample]:
        """Yields the samples of an epoch.

        The workers begin with the first sample that is asked for. Several runs may be
        under way at once.

        Args:
          epoch: which epoch, given to the function that `closure` may return.
          start: how many samples to leave out at the front; those that the filter
            drops do not count.

        Returns:
          An iterator over the samples. What a worker's dataset raises it raises too, in
          the sample's turn and with a note that names the index. It raises
          RuntimeError if a worker dies.

        Raises:
          ValueError: if `epoch` or `start` is negative.
        """
        if epoch < 0 or start < 0:
            raise ValueError(
                f"A position is epoch >= 0 and start >= 0, got {epoch} and {start}."
            )
        return self._samples(epoch, start)

    def chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]:
        """Yields the same samples in chunks of one shape, for an engine.

        Args:
          epoch: which epoch.
          start: how many samples to leave out at the front.
          room: `(position, sample_bytes) -> most samples`.

        Returns:
          An iterator over chunks.

        Raises:
          TypeError: if a sample holds something that is not an array of numbers.
        """
        with closing(self._samples(epoch, start)) as samples:
            yield from grouped(samples, room, start)

    def exec(self, name: str, *args: Any, epoch: int = 0) -> list[Any]:
        """Calls a method of the dataset in every worker.

        Args:
          name: of the method, special ones such as `__len__` included.
          *args: its arguments.
          epoch: of which epoch's dataset, if there is one for each.

        Returns:
          What it returned, a value for each worker.
        """
        return self._workers.call(epoch, name, args, each=True)

    def exec_single(self, name: str, *args: Any, epoch: int = 0) -> Any:
        """Calls a method of the dataset in one worker, of several one that is idle.

        Args:
          name: of the method, special ones such as `__len__` included.
          *args: its arguments.
          epoch: of which epoch's dataset, if there is one for each.

        Returns:
          What it returned.
        """
        return self._workers.call(epoch, name, args, each=False)[0]

    def close(self) -> None:
        """Ends the workers; a later run starts new ones."""
        self._workers.close()

    def __enter__(self) -> "ParallelDatasetIterator":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        return type(self), tuple(getattr(self, name) for name in _NAMES)

    def __repr__(self) -> str:
        shown = (f"{name}={describe(getattr(self, name))}" for name in _NAMES)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _samples(self, epoch: int, start: int) -> Generator[Sample]:
        skipped = 0 if self.filter is None else start
        run = self._workers.start(epoch)
        with closing(run):
            positions = range(start - skipped, run.length())
            ahead = AHEAD * self.num_workers
            samples = _read(run, positions, self.perm, ahead, self.ordered)
            yield from islice(self._kept(samples), skipped, None)

    def _kept(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            if self.transform is not None:
                sample = self.transform(writable(sample))
            if self.filter is None or self.filter(sample):
                yield sample


_NAMES = tuple(f.name for f in dataclasses.fields(ParallelDatasetIterator) if f.init)


class _Run(Protocol):
    def submit(self, position: int, index: int) -> None: ...
    def next_done(self) -> tuple[int, bool, Any]: ...


def _read(
    run: _Run,
    positions: Iterable[int],
    perm: Callable[[int], int] | None,
    ahead: int,
    ordered: bool,
) -> Iterator[Sample]:
    """Samples of a run, with `ahead` at most under way or waiting for their turn."""
    coming = enumerate(positions)
    done: dict[int, tuple[bool, Any]] = {}
    pending = 0

    def fill() -> None:
        nonlocal pending
        for number, position in islice(coming, ahead - pending):
            try:
                index = position if perm is None else perm(position)
            except Exception as error:
                if not ordered:
                    raise
                done[number] = False, error
            else:
                run.submit(number, index)
            pending += 1

    fill()
    turn = 0
    while pending:
        if ordered:
            while turn not in done:
                number, fine, value = run.next_done()
                done[number] = fine, value
            fine, value = done.pop(turn)
        else:
            _, fine, value = run.next_done()
        if not fine:
            raise value
        pending -= 1
        turn += 1
        fill()  # before the consumer is at work, so that the workers are too
        yield value
