"""A worker's reads, in a thread or in a process of its own."""

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, NoReturn

from tntjax._types import Dataset, Sample, is_dataset
from tntjax.iterator._errors import pack_error
from tntjax.iterator._source import make_dataset, open_source
from tntjax.iterator.workers._sending import Block, pack

KEPT = 2
"""Datasets of how many epochs a worker keeps; two may be read by turns."""


class Read(NamedTuple):
    """A read under way, and since when: seconds of `time.monotonic`."""

    what: str
    since: float


def seconds_left(number: int, read: Read | None, timeout: float) -> float:
    """Returns the seconds that a read may still take, or raises a TimeoutError."""
    if read is None:
        return timeout
    left = read.since + timeout - time.monotonic()
    if left <= 0:
        raise TimeoutError(
            f"ParallelDatasetIterator: worker {number} has been reading {read.what}"
            f" for more than timeout={timeout:g} seconds."
        )
    return left


class Worker:
    """A worker's datasets, made when they are first asked for."""

    def __init__(
        self, number: int, closure: Any, init: Callable[[int], Any] | None
    ) -> None:
        self.number = number
        self.is_stuck = False
        self.reads: Read | None = None  # looked at by the thread that waits
        self._closure, self._init = closure, init
        # Runs share it, each with threads of its own; a dataset need not be safe.
        self._lock = threading.RLock()
        self._source: Any = None
        self._epochs: dict[int, Dataset] = {}
        self._compared: tuple[int, int] | None = None  # epoch, length

    def get(self, epoch: int, index: int, length: int) -> Sample:
        """Reads one sample of an epoch with that many; an error says which."""
        with self._reading(f"dataset[{index}]"):
            dataset = self.dataset(epoch)
            self._compare(dataset, epoch, length)
            try:
                return dataset[index]
            except BaseException as error:
                error.add_note(
                    f"ParallelDatasetIterator: worker {self.number} was reading"
                    f" dataset[{index}]."
                )
                raise

    def length(self, epoch: int) -> int:
        """Counts the samples of an epoch."""
        with self._reading("len(dataset)"):
            return len(self.dataset(epoch))

    def call(self, epoch: int, name: str, args: Sequence[Any]) -> Any:
        """Calls a method of the dataset."""
        with self._lock:
            return getattr(self.dataset(epoch), name)(*args)

    def dataset(self, epoch: int) -> Dataset:
        """Returns the dataset of an epoch, and makes it if need be."""
        with self._lock:
            try:
                if self._source is None:
                    if self._init is not None:
                        self._init(self.number)
                    self._source = open_source(self._closure, self.number)
                if is_dataset(self._source):
                    return self._source
                if epoch not in self._epochs:
                    made = make_dataset(self._source, epoch, self.number)
                    if len(self._epochs) == KEPT:
                        del self._epochs[next(iter(self._epochs))]  # the oldest
                    self._epochs[epoch] = made
                return self._epochs[epoch]
            except BaseException as error:
                error.add_note(
                    f"ParallelDatasetIterator: worker {self.number} was making its"
                    f" dataset, for epoch {epoch}."
                )
                raise

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        with self._lock:
            # Since it has the lock: waiting for another run's read is not its own time.
            self.reads = Read(what, time.monotonic())
            try:
                yield
            finally:
                self.reads = None

    def _compare(self, dataset: Dataset, epoch: int, length: int) -> None:
        """Raises a ValueError if the worker that was asked counted otherwise."""
        # Once for an epoch, as `len` may take long and this is asked at every sample.
        # What is the dataset, and not a function, is the same everywhere.
        if self._compared == (epoch, length) or is_dataset(self._closure):
            return
        if len(dataset) != length:
            raise ValueError(
                "ParallelDatasetIterator needs equal datasets in all workers, but for"
                f" epoch {epoch} worker {self.number} has {len(dataset)} samples and"
                f" another worker {length}. Its function may depend on the epoch, but"
                " on nothing else that differs from worker to worker."
            )
        self._compared = epoch, length


def main(number: int, connection: Connection, blocks: Sequence[Block | None]) -> None:
    """Runs a worker's process from its first line to its last."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # Ctrl-C is the consumer's. Not ignored, or what `load` runs would ignore it.
        signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):  # pragma: no branch - not on Windows
        # It was started with SIGINT blocked, and what it runs would inherit that.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    try:
        content = unpack_closure(connection.recv_bytes())
        connection.send_bytes(READY)
    except (EOFError, OSError):  # given up before it began
        return
    serve(Worker(number, *content), connection, blocks)


def leave_with(parent: int, seconds: float = 1.0) -> None:
    """Ends the process soon after its parent is gone, whatever it is at."""
    # A closed pipe tells a worker that waits, and not one in a long `load`, nor any
    # while another process has a copy of the pipe.
    while os.getppid() == parent:
        time.sleep(seconds)
    os._exit(1)  # sys.exit would end this thread alone


READY = b""
"""A worker's first message: its imports are done, and it waits for requests."""


def unpack_closure(payload: bytes) -> tuple[Any, Any]:
    """Rebuilds `closure` and `init`; if that fails the closure raises the error."""
    try:
        return pickle.loads(payload)
    except Exception as error:
        error.add_note(
            "ParallelDatasetIterator: a worker could not rebuild its closure. Functions"
            " and classes travel by name, so keep them in a module, or in a script that"
            " lies in a file, or use backend='thread'."
        )
        failure = error

        def fail() -> NoReturn:
            raise failure

        return fail, None


def serve(
    worker: Worker, connection: Connection, blocks: Sequence[Block | None]
) -> None:
    """Answers requests until the other side has closed or is gone.

    A request is `(ticket, slot, what, method, args)`, `what` for errors. A reply starts
    with the ticket and whether it went well; large arrays are in the block `slot`.
    """
    while True:
        try:
            ticket, slot, what, method, args = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        block = None if slot is None else blocks[slot]
        try:
            result = getattr(worker, method)(*args)
            reply = True, *_packed(result, block, worker.number, what)
            del result  # or it would be kept until the next one is there
        except BaseException as error:
            reply = False, pack_error(error), ()
        try:
            connection.send_bytes(pickle.dumps((ticket, *reply), protocol=5))
        except OSError:  # the consumer is gone
            return


def _packed(result: Any, block: Block | None, number: int, what: str) -> Any:
    try:
        return pack(result, block)
    except Exception as error:
        error.add_note(
            f"ParallelDatasetIterator: what worker {number} got from {what}"
            " cannot be sent to the consumer. Make samples of arrays, numbers and"
            " strings, or use backend='thread'."
        )
        raise
