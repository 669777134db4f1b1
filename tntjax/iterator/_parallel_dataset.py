"""ParallelDatasetIterator: samples that workers read ahead."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import count, islice
from typing import Any, Literal, get_args

from tntjax._check import check_optional_functions
from tntjax._numbers import check_at_least, check_axis, check_number
from tntjax._struct import describe, flag, pytree, static
from tntjax._types import Chunk, Room, Sample, is_dataset
from tntjax.dataset._protocol import find_shapes
from tntjax.iterator._chunk import group
from tntjax.iterator._epochs import Epochs
from tntjax.iterator._source import check_source
from tntjax.iterator.workers._pool import Processes
from tntjax.iterator.workers._threads import Threads

Backend = Literal["thread", "process"]


@pytree
class ParallelDatasetIterator(Epochs):
    """Yields a dataset's samples in order while workers read the next ones.

    Each worker has a dataset of its own and reads whole samples of it, `dataset[i]`, so
    a `BatchDataset` is read a batch at a time. The samples are those of
    `DatasetIterator`, whatever the number of workers and the backend, and there is no
    cursor: the whole position is `(epoch, start)`.

    Workers start when the first sample is asked for and stay until `close()`, the end
    of a `with` block, or the end of the iterator's life. What a worker's dataset raises
    a run raises too, in the sample's turn and with a note that names the index. It
    raises `tnt.WorkerError` if a worker dies, or if an error of a process cannot be
    raised here as it was, and TimeoutError if a read takes too long.

    Args:
      closure: a dataset, or a function `epoch -> dataset` that each worker calls once
        an epoch, as for `DatasetIterator`. A parameter named `worker` gets the worker's
        number, from 0. A function that does not ask for the epoch, `lambda: ...` or
        `lambda worker: ...`, is called once in each worker, for a dataset or for a
        function of the epoch. All workers must have equal datasets; if their lengths
        differ it is an error.
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
      prefetch: how many samples to read ahead of the one in hand for each worker.
      timeout: the most seconds that a worker may take to read a sample, and to make the
        dataset for the first of an epoch; a longer read is a TimeoutError that names
        the index. None waits for ever.

    Raises:
      TypeError: if an argument has the wrong type, or cannot be pickled for processes.
      ValueError: if `num_workers` or `prefetch` is below 1, `timeout` not above 0, or
        if there is no such backend.

    Example:
      >>> from tntjax import BatchDataset, ShuffleDataset
      >>> squares = [n * n for n in range(6)]
      >>> def batches(epoch):
      ...     return BatchDataset(ShuffleDataset(squares, seed=epoch), 3)
      >>> with ParallelDatasetIterator(batches, num_workers=2) as iterator:
      ...     whole, rest = list(iterator.run(epoch=1)), list(iterator.run(1, start=1))
      >>> len(whole), (whole[1] == rest[0]).all()
      (2, np.True_)

    Torchnet: `dataset/paralleldatasetiterator.lua`, with `nthread` threads numbered
    from 1 and `ordered` false. There the one argument of `closure` was the worker, a
    worker's dataset stayed the same over epochs, and in order any number of samples was
    read ahead.
    """

    closure: Any = static()
    num_workers: int = static()
    init: Callable[[int], Any] | None = static(default=None)
    perm: Callable[[int], int] | None = static(default=None)
    filter: Callable[[Sample], bool] | None = static(default=None)
    transform: Callable[[Sample], Sample] | None = static(default=None)
    ordered: bool = flag(default=True)
    backend: Backend = static(default="thread")
    prefetch: int = static(default=2)
    timeout: float | None = static(default=None)
    _workers: Any = static(init=False)

    def __post_init__(self) -> None:
        me = "ParallelDatasetIterator"
        names = ("init", "perm", "filter", "transform")
        check_optional_functions(me, **{name: getattr(self, name) for name in names})
        check_source(self.closure, me)
        num_workers = check_at_least(
            f"{me}: num_workers (without any it is a DatasetIterator)",
            self.num_workers,
            1,
        )
        prefetch = check_axis(f"{me}: prefetch", self.prefetch, 1)
        timeout = _check_seconds(self.timeout)
        if self.backend not in get_args(Backend):
            raise ValueError(
                f"{me} needs backend='thread' or 'process', got {self.backend!r}."
            )
        if self.backend == "thread":
            workers = Threads(self.closure, self.init, num_workers, timeout)
        else:
            content = self.closure, self.init
            workers = Processes(content, num_workers, prefetch, timeout)
        derived = {"num_workers": num_workers, "prefetch": prefetch, "timeout": timeout}
        for name, value in {**derived, "_workers": workers}.items():
            object.__setattr__(self, name, value)  # as the class is frozen

    @property
    def shapes(self) -> tuple:
        """The shapes that a dataset states which is given itself, else ()."""
        return find_shapes(self.closure)

    def _count(self) -> int:
        if is_dataset(self.closure):
            return len(self.closure)
        return self.exec_single("__len__")  # only workers call the function

    def exec(self, name: str, *args: Any, epoch: int = 0) -> list[Any]:
        """Calls a method of the dataset in every worker.

        Args:
          name: of the method, special ones such as `__len__` included.
          *args: its arguments.
          epoch: of which epoch's dataset, if there is one for each.

        Returns:
          What it returned, a value for each worker.
        """
        with quiet_at_exit():
            return self._workers.call(epoch, name, args, each=True)

    def exec_single(self, name: str, *args: Any, epoch: int = 0) -> Any:
        """Calls a method of the dataset in one worker, of several one that is idle.

        Args:
          name: of the method.
          *args: its arguments.
          epoch: of which epoch's dataset.
        """
        with quiet_at_exit():
            return self._workers.call(epoch, name, args, each=False)[0]

    def close(self) -> None:
        """Ends the workers; a later run starts new ones."""
        self._workers.close()

    def __enter__(self) -> "ParallelDatasetIterator":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        # Without the workers: a copy starts its own.
        return type(self), tuple(getattr(self, name) for name in _NAMES)

    def __repr__(self) -> str:
        shown = (f"{name}={describe(getattr(self, name))}" for name in _NAMES)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _samples(self, epoch: int, start: int) -> Generator[Sample]:
        skipped = self._skip(start)
        # `closing`: what leaves the loop early gives up what was read ahead for it.
        with quiet_at_exit(), closing(self._workers.start(epoch)) as run:
            # The positions stand for the dataset, which workers have.
            positions = range(run.length())
            index_of = partial(self._find_index, positions)
            wanted = positions[start - skipped :]  # a range: no list of all
            ahead = self.prefetch * self.num_workers
            samples = read_ahead(run, wanted, index_of, ahead, self.ordered)
            yield from islice(self._finish(samples), skipped, None)

    def _chunks(self, epoch: int, start: int, room: Room) -> Iterator[Chunk]:
        with closing(self._samples(epoch, start)) as samples:
            yield from group(samples, room, start)


_NAMES = tuple(f.name for f in dataclasses.fields(ParallelDatasetIterator) if f.init)


def _check_seconds(timeout: Any) -> float | None:
    if timeout is None:
        return None
    subject = "ParallelDatasetIterator: timeout, seconds or None to wait for ever,"
    seconds = check_number(subject, timeout)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        most = f"{threading.TIMEOUT_MAX:.0f}"
        raise ValueError(f"{subject} must be > 0 and <= {most}, got {timeout}.")
    return seconds


@contextlib.contextmanager
def quiet_at_exit() -> Iterator[None]:
    """Stops a daemon thread that fails because the interpreter ends."""
    try:
        yield
    except Exception:
        if threading.current_thread().daemon and not threading.main_thread().is_alive():
            # Workers die first: a traceback would be the last word of a sound program.
            _never_return()
        raise


def _never_return() -> None:
    threading.Event().wait()  # which nobody sets


def read_ahead(
    run: Any,
    positions: Iterable[int],
    index_of: Callable[[int], int],
    ahead: int,
    ordered: bool,
) -> Iterator[Sample]:
    """Yields samples of a run while at most `ahead` are read or wait for their turn.

    If they are `ordered`, an error of a sample is raised in its turn.
    """
    coming = enumerate(positions)
    done: dict[int, tuple[bool, Any]] = {}  # by number, those before their turn
    pending, value = 0, None  # pending: asked for and not yielded
    for turn in count():  # turn 0 only asks; sample `turn` is yielded one turn later
        for number, position in islice(coming, ahead - pending):
            try:
                index = index_of(position)
            except Exception as error:
                if not ordered:
                    raise
                done[number] = False, error  # of `perm`, to be raised in its turn
            else:
                run.submit(number, index)
            pending += 1
        if turn:  # yielded after asking for more: workers read while the consumer works
            yield value
        if not pending:
            return
        while ordered and turn not in done:  # others that come first wait in `done`
            number, fine, value = run.next_done()
            done[number] = fine, value
        fine, value = done.pop(turn) if ordered else run.next_done()[1:]
        if not fine:
            try:
                raise value
            finally:
                del value  # or its traceback would hold it, and it the workers
        pending -= 1
