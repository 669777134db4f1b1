"""Workers that are threads: a pool for each run, over datasets that stay."""

import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tntjax.iterator._worker import Worker


class Threads:
    """Starts threads for a run, and keeps the workers' datasets over runs.

    Args:
      closure: see `Worker`.
      init: see `Worker`.
      num_workers: how many threads.
    """

    def __init__(
        self, closure: Any, init: Callable[[int], Any] | None, num_workers: int
    ) -> None:
        self._new = lambda: [Worker(n, closure, init) for n in range(num_workers)]
        self._workers = self._new()

    def start(self, epoch: int) -> "ThreadRun":
        """Starts reading an epoch."""
        return ThreadRun(self._workers, epoch)

    def call(self, epoch: int, name: str, args: Sequence[Any], each: bool) -> list:
        """Calls a method on every worker's dataset, or on one worker's."""
        workers = self._workers if each else self._workers[:1]
        with ThreadPoolExecutor(len(workers)) as executor:
            return list(executor.map(lambda w: w.call(epoch, name, args), workers))

    def close(self) -> None:
        """Forgets the datasets."""
        self._workers = self._new()


class ThreadRun:
    """Threads that read samples of one epoch; each is a worker.

    The executor makes sure that no thread outlives the interpreter.

    Args:
      workers: one for each thread.
      epoch: whose dataset to read.
    """

    def __init__(self, workers: Sequence[Worker], epoch: int) -> None:
        self._epoch = epoch
        self._done: queue.SimpleQueue[tuple[int, bool, Any]] = queue.SimpleQueue()
        self._own, numbers = threading.local(), itertools.count()

        def become_a_worker() -> None:
            self._own.worker = workers[next(numbers)]

        self._executor = ThreadPoolExecutor(
            len(workers), "tntjax", initializer=become_a_worker
        )

    def length(self) -> int:
        """How many samples the epoch has, before any filter."""
        count = self._executor.submit(
            lambda: len(self._own.worker.dataset(self._epoch))
        )
        return count.result()

    def submit(self, position: int, index: int) -> None:
        """Has a sample read."""
        self._executor.submit(self._read, position, index)

    def next_done(self) -> tuple[int, bool, Any]:
        """Waits for any: its position, and True and a sample or False and an error."""
        return self._done.get()

    def close(self) -> None:
        """Waits for the samples being read and starts no more."""
        self._executor.shutdown(cancel_futures=True)

    def _read(self, position: int, index: int) -> None:
        try:
            self._done.put((position, True, self._own.worker.get(self._epoch, index)))
        except BaseException as error:
            self._done.put((position, False, error))
