"""Processes at work, kept over runs: who is asked for what, and where replies go."""

import contextlib
import os
import pickle
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any

from tntjax._struct import describe
from tntjax.iterator._errors import WorkerError, unpack_error
from tntjax.iterator.workers._process import (
    Arrived,
    Task,
    WorkerProcess,
    end_processes,
    exit_error,
    spawn_environment,
    start_process,
)
from tntjax.iterator.workers._sending import check_sendable, pack_content, unpack
from tntjax.iterator.workers._worker import READY

SOON = 0.05
"""Seconds after which a thread that waits looks whether another took its replies."""


class Processes:
    """Keeps a pool of processes over runs, and starts it when it is first needed."""

    def __init__(
        self,
        content: tuple[Any, Any],
        num_workers: int,
        prefetch: int,
        timeout: float | None,
    ) -> None:
        for name, value in zip(("closure", "init"), content, strict=True):
            check_sendable(name, value)
        self._start = lambda: Pool(content, num_workers, prefetch)
        self._timeout = timeout
        # Two runs that begin at the same time must not start two pools.
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

    def _opened(self) -> "Pool":
        with self._lock:
            if self._pool is None or self._pool.is_closed:
                self._pool = self._start()
            return self._pool


class ProcessRun:
    """Reads samples of one epoch in a pool that other runs may use as well."""

    def __init__(self, pool: "Pool", epoch: int, timeout: float | None) -> None:
        self._pool, self._epoch, self._timeout = pool, epoch, timeout
        # A queue of its own: whichever run waits takes all replies from the pipes.
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


class Pool:
    """Processes, each with a pipe of its own, so that none can block another."""

    def __init__(
        self, content: tuple[Any, Any], num_workers: int, prefetch: int
    ) -> None:
        # One lock for all: pipes, tasks and blocks change together. It is taken again
        # by who holds it when collecting garbage ends the pool.
        self._lock, self._tickets = threading.RLock(), 0
        self._ended: str | None = None
        self._owner = os.getpid()  # a fork has the pool but not the processes
        self._workers: list[WorkerProcess] = []
        # Before the first is started: nothing may be left if the second fails.
        args = self._workers, self._owner, self._lock
        self._end = weakref.finalize(self, end_processes, *args)
        payload = pack_content(content)
        with self._locked():
            with spawn_environment():
                for number in range(num_workers):
                    self._workers.append(start_process(number, prefetch))
            for worker in self._workers:  # all are on their way: now what may block
                self._send(worker, payload)

    @property
    def is_closed(self) -> bool:
        """True if they were ended, have failed, or are those of another process."""
        return self._ended is not None or self._owner != os.getpid()

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            self._ended = self._ended or "its workers were closed before it was done"
            self._end()

    def submit(self, task: Task, request: tuple[int, int, int]) -> None:
        """Asks for a sample, once a worker has little enough to do."""
        with self._wait_until(lambda: self._least_busy().free_slot() is not None):
            worker = self._least_busy()  # with the lock: still the one that was asked
            task.slot = worker.free_slot()
            self._ask(worker, task, "get", request)

    def length(self, epoch: int, timeout: float | None) -> int:
        """Counts the samples of an epoch."""
        workers = [self._least_busy()]  # all are to have the same: `Worker._compare`
        return self._ask_each(workers, "len(dataset)", "length", (epoch,), timeout)[0]

    def call(self, epoch: int, name: str, args: Sequence[Any], each: bool) -> list:
        """Calls a method on every worker's dataset, or on one worker's."""
        check_sendable("arguments", args)  # an error of the caller's, before all else
        workers = self._workers if each else [self._least_busy()]
        return self._ask_each(workers, f"dataset.{name}", "call", (epoch, name, args))

    def wait(self, sink: Arrived, count: int) -> None:
        """Waits until that many replies are there."""
        with self._wait_until(lambda: len(sink) >= count):
            pass

    def forget(self, sink: Arrived) -> None:
        """Drops what comes for somebody who is gone."""
        with self._lock:
            for worker in self._workers:
                for task in worker.tasks.values():
                    if task.sink is sink:  # the reply still comes, in its block
                        task.sink = None

    @contextlib.contextmanager
    def _wait_until(self, condition: Callable[[], bool]) -> Iterator[None]:
        """Takes replies until a condition holds, then lets nobody else interfere."""
        while True:
            with self._locked():
                self._receive()
                if condition():
                    yield
                    return
                for worker in self._workers:
                    worker.check_time()  # a late reply that is there was taken above
                handles: list[Any] = [worker.pipe for worker in self._workers]
                handles += [worker.process.sentinel for worker in self._workers]
            # Without the lock: meanwhile others may take the replies, or close it all.
            with contextlib.suppress(OSError):  # closed just now
                connection.wait(handles, SOON)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lets one thread in at a time; what breaks off in between ends the pool."""
        with self._lock:
            if self._ended is not None:
                raise WorkerError(f"ParallelDatasetIterator: {self._ended}.")
            try:
                yield
            except BaseException as error:
                self._ended = f"its workers were ended by {describe(error)}"
                self._end()
                raise

    def _ask_each(
        self,
        workers: Sequence[WorkerProcess],
        what: str,
        method: str,
        args: tuple,
        timeout: float | None = None,
    ) -> list:
        sink: Arrived = deque()
        for worker in workers:
            # A worker that writes does not read, so much is sent to an idle one only.
            with self._wait_until(lambda worker=worker: not worker.tasks):
                task = Task(sink, worker.number, what, timeout=timeout)
                self._ask(worker, task, method, args)
        self.wait(sink, len(workers))
        for _, fine, value in sink:
            if not fine:
                try:
                    raise value
                finally:
                    sink.clear()  # or its traceback would hold it, and it the pool
                    del value
        replies = {number: value for number, _, value in sink}
        return [replies[worker.number] for worker in workers]

    def _least_busy(self) -> WorkerProcess:
        return min(self._workers, key=lambda worker: len(worker.tasks))

    def _ask(self, worker: WorkerProcess, task: Task, method: str, args: tuple) -> None:
        self._tickets += 1
        if not worker.tasks:  # else it begins when the one before is done
            worker.since = time.monotonic()
        worker.tasks[self._tickets] = task  # before it is sent, as an error names it
        request = (self._tickets, task.slot, task.what, method, args)
        self._send(worker, pickle.dumps(request, protocol=5))

    def _send(self, worker: WorkerProcess, message: bytes) -> None:
        try:
            worker.pipe.send_bytes(message)
        except OSError:
            raise exit_error(worker) from None

    def _receive(self) -> None:
        """Takes the replies that are there, and notices a worker that died."""
        for worker in self._workers:
            # Asked first: what it wrote before it died is still in the pipe.
            alive = worker.process.is_alive()
            try:
                while worker.pipe.poll():
                    self._deliver(worker, worker.pipe.recv_bytes())
            except (EOFError, OSError):
                raise exit_error(worker) from None
            if not alive:
                raise exit_error(worker)

    def _deliver(self, worker: WorkerProcess, message: bytes) -> None:
        worker.since = time.monotonic()  # now it begins with its next task
        if message == READY:
            worker.ready = True
            return
        ticket, fine, content, sizes = pickle.loads(message)
        task = worker.tasks.pop(ticket)
        if task.sink is None:  # forgotten; its block is free again
            return
        try:
            block = None if task.slot is None else worker.blocks[task.slot]
            if fine:
                value = unpack(content, sizes, block, worker.may_lend())
            else:
                value = unpack_error(content)
        except Exception as error:
            error.add_note(
                f"ParallelDatasetIterator: {task.what} came from worker"
                f" {worker.number}, but could not be rebuilt."
            )
            fine, value = False, error
        task.sink.append((task.position, fine, value))
