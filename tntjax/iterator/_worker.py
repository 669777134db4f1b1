"""What a worker does, in a thread or in a process of its own."""

import functools
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from tntjax._types import Dataset, Sample, is_dataset
from tntjax.iterator._shared import Block, pack, pack_error

KEPT = 2
"""Datasets of how many epochs a worker keeps; two may be read by turns."""


class Worker:
    """A worker's datasets, made when they are first asked for.

    It does one thing at a time, whichever thread asks.

    Args:
      number: which worker, from 0.
      closure: a dataset, or `number -> dataset`, or `number -> (epoch -> dataset)`.
      init: `number -> anything`, called before `closure`.
    """

    def __init__(
        self, number: int, closure: Any, init: Callable[[int], Any] | None
    ) -> None:
        self.number = number
        self._closure, self._init = closure, init
        self._lock = threading.RLock()
        self._source: Any = None
        self._epochs: dict[int, Dataset] = {}

    def get(self, epoch: int, index: int) -> Sample:
        """Reads one sample; an error says which."""
        with self._lock:
            dataset = self.dataset(epoch)
            try:
                return dataset[index]
            except BaseException as error:
                error.add_note(
                    f"ParallelDatasetIterator: worker {self.number} was reading"
                    f" dataset[{index}]."
                )
                raise

    def call(self, epoch: int, name: str, args: Sequence[Any]) -> Any:
        """Calls a method of the dataset."""
        with self._lock:
            return getattr(self.dataset(epoch), name)(*args)

    def dataset(self, epoch: int) -> Dataset:
        """The dataset of an epoch."""
        with self._lock:
            try:
                if self._source is None:
                    self._source = self._start()
                if is_dataset(self._source):
                    return self._source
                if epoch not in self._epochs:
                    made = self._of_epoch(epoch)
                    if len(self._epochs) == KEPT:
                        del self._epochs[next(iter(self._epochs))]
                    self._epochs[epoch] = made
                return self._epochs[epoch]
            except BaseException as error:
                error.add_note(
                    f"ParallelDatasetIterator: worker {self.number} was making its"
                    f" dataset, for epoch {epoch}."
                )
                raise

    def _start(self) -> Any:
        if self._init is not None:
            self._init(self.number)
        if is_dataset(self._closure):
            return self._closure
        source = self._closure(self.number)
        if not is_dataset(source) and not callable(source):
            raise TypeError(
                "ParallelDatasetIterator: closure(worker) must return a dataset"
                " (anything with len and [index]) or a function epoch -> dataset, got"
                f" {type(source).__name__}."
            )
        return source

    def _of_epoch(self, epoch: int) -> Dataset:
        dataset = self._source(epoch)
        if not is_dataset(dataset):
            raise TypeError(
                "ParallelDatasetIterator: the function epoch -> dataset must return"
                " a dataset (anything with len and [index]), got"
                f" {type(dataset).__name__}."
            )
        return dataset


def main(number: int, connection: Connection, blocks: Sequence[Block | None]) -> None:
    """Runs a worker's process from its first line to its last.

    Args:
      number: which worker, from 0.
      connection: sends the closure, then requests; takes the replies.
      blocks: the memory that samples travel through.
    """
    # Ctrl-C is the consumer's to handle. Not ignored, or what `load` runs would be so.
    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):  # pragma: no branch - not on Windows
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    try:
        connection.send_bytes(READY)
        content = unpack_closure(connection.recv_bytes())
    except (EOFError, OSError):  # given up before it began
        return
    serve(Worker(number, *content), connection, blocks)


def leave_with(parent: int, seconds: float = 1.0) -> None:
    """Ends the process soon after its parent is gone, whatever it is at.

    A worker that waits for a request sees its pipe close; one in a long `load` does
    not, nor any while another process has a copy of the pipe.
    """
    while os.getppid() == parent:
        time.sleep(seconds)
    os._exit(1)


READY = b""
"""A worker's first message: it lives, and its imports are done."""


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
        return functools.partial(_fail, error), None


def _fail(error: Exception, number: int) -> NoReturn:
    raise error


def serve(
    worker: Worker, connection: Connection, blocks: Sequence[Block | None]
) -> None:
    """Answers requests until the other side has closed or is gone.

    A request is `(ticket, slot, method, args)`. The reply starts with the ticket and
    whether it went well; large arrays are left in the block number `slot`.
    """
    while True:
        try:
            ticket, slot, method, args = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        block = None if slot is None else blocks[slot]
        try:
            result = getattr(worker, method)(*args)
            what = f".{args[1]}" if method == "call" else f"[{args[1]}]"
            reply = True, *_packed(result, block, worker.number, f"dataset{what}")
            del result  # or it would be kept until the next one is there
        except BaseException as error:
            reply = False, pack_error(error), ()
        try:
            connection.send_bytes(pickle.dumps((ticket, *reply), protocol=5))
        except OSError:
            return


def _packed(
    result: Any, block: Block | None, number: int, what: str
) -> tuple[bytes, list[int]]:
    try:
        return pack(result, block)
    except Exception as error:
        error.add_note(
            f"ParallelDatasetIterator: what worker {number} got from {what}"
            " cannot be sent to the consumer. Make samples of arrays, numbers and"
            " strings, or use backend='thread'."
        )
        raise
