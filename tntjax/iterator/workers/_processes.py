"""Workers that are processes: started once, and kept over runs."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tntjax.iterator.workers._pool import Pool
from tntjax.iterator.workers._process import Arrived, Task
from tntjax.iterator.workers._sending import check_sendable


class Processes:
    """Keeps a pool of processes over runs, and starts it when it is first needed."""

    def __init__(
        self,
        closure: Any,
        init: Callable[[int], Any] | None,
        num_workers: int,
        prefetch: int,
        timeout: float | None,
    ) -> None:
        for name, value in (("closure", closure), ("init", init)):
            check_sendable(name, value)
        self._start = lambda: Pool((closure, init), num_workers, prefetch)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    def start(self, epoch: int) -> "ProcessRun":
        """Starts reading an epoch."""
        return ProcessRun(self._opened(), epoch, self._timeout)

    def call(self, epoch: int, name: str, args: Sequence[Any], each: bool) -> list:
        """Calls a method on every worker's dataset, or on one worker's."""
        return self._opened().call(epoch, name, args, each)

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _opened(self) -> Pool:
        with self._lock:
            if self._pool is None or self._pool.is_closed:
                self._pool = self._start()
            return self._pool


class ProcessRun:
    """Reads samples of one epoch in a pool that other runs may use as well."""

    def __init__(self, pool: Pool, epoch: int, timeout: float | None) -> None:
        self._pool, self._epoch, self._timeout = pool, epoch, timeout
        self._arrived: Arrived = deque()
        self._length = 0

    def length(self) -> int:
        """Counts the samples of the epoch, before any filter."""
        self._length = self._pool.length(self._epoch, self._timeout)
        return self._length

    def submit(self, position: int, index: int) -> None:
        """Asks for a sample; waits while every worker has enough to do."""
        what = f"dataset[{index}]"
        task = Task(self._arrived, position, what, timeout=self._timeout)
        self._pool.submit(task, (self._epoch, index, self._length))

    def next_done(self) -> tuple[int, bool, Any]:
        """Waits for any: its position, and True and a sample or False and an error."""
        self._pool.wait(self._arrived, 1)
        return self._arrived.popleft()

    def close(self) -> None:
        """Gives up the rest; what is being read will be dropped."""
        self._pool.forget(self._arrived)
