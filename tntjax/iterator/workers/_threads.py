"""Workers that are threads: some for each run, over datasets that stay."""

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Any

from tntjax.iterator.workers._worker import Worker, seconds_left

NAME = "tntjax-"
"""What the names of threads that read begin with."""


class Threads:
    """Starts threads for a run, and keeps the workers' datasets over runs."""

    def __init__(
        self,
        closure: Any,
        init: Callable[[int], Any] | None,
        num_workers: int,
        timeout: float | None,
    ) -> None:
        self._new = lambda number: Worker(number, closure, init)
        self._timeout = timeout
        self._workers = [self._new(number) for number in range(num_workers)]

    def start(self, epoch: int) -> "ThreadRun":
        """Starts reading an epoch."""
        return ThreadRun(self._replace_stuck(), epoch, self._timeout)

    def call(self, epoch: int, name: str, args: Sequence[Any], each: bool) -> list:
        """Calls a method on every worker's dataset, or on one worker's."""
        workers = self._replace_stuck()
        if not each:
            # False before True: an idle one, if there is any.
            workers = [min(workers, key=lambda worker: worker.reads is not None)]
        with ExitStack() as stack:
            # A run for each, or an idle worker would answer for a busy one.
            runs = [ThreadRun([worker], epoch, None) for worker in workers]
            for run in runs:
                stack.enter_context(closing(run))
                run.ask("call", epoch, name, args)
            return [run.answer() for run in runs]

    def close(self) -> None:
        """Forgets the datasets."""
        self._workers = [self._new(number) for number in range(len(self._workers))]

    def _replace_stuck(self) -> list[Worker]:
        """Puts new workers in place of those that a read never left."""
        self._workers = [
            self._new(worker.number) if worker.is_stuck else worker
            for worker in self._workers
        ]
        return self._workers


class ThreadRun:
    """Threads that read samples of one epoch and end with the run; each is a worker."""

    def __init__(
        self, workers: Sequence[Worker], epoch: int, timeout: float | None
    ) -> None:
        self._workers, self._epoch, self._timeout = workers, epoch, timeout
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, bool, Any]] = queue.SimpleQueue()
        self._length = 0
        threads: list[tuple[Worker, threading.Thread]] = []
        # Threads hold the queues and never the run, so that a run left alone is
        # collected and ends them.
        self._end = weakref.finalize(self, _end, threads, self._asked, timeout)
        for worker in workers:
            args = worker, self._asked, self._done
            name = f"{NAME}{worker.number}"
            # A daemon: one that is stuck in a read must keep no program alive.
            thread = threading.Thread(target=_work, args=args, name=name, daemon=True)
            thread.start()
            threads.append((worker, thread))

    def length(self) -> int:
        """Counts the samples of the epoch, before any filter."""
        self.ask("length", self._epoch)
        self._length = self.answer()  # each worker compares its own with it
        return self._length

    def submit(self, position: int, index: int) -> None:
        """Asks for a sample."""
        self.ask("get", self._epoch, index, self._length, position=position)

    def ask(self, method: str, *args: Any, position: int = 0) -> None:
        """Asks the first worker that is idle to call a method."""
        self._asked.put((position, method, args))

    def answer(self) -> Any:
        """Waits for the one thing that was asked for."""
        _, fine, value = self.next_done()
        if not fine:
            try:
                raise value
            finally:
                del value  # or its traceback would hold it, and it the threads
        return value

    def next_done(self) -> tuple[int, bool, Any]:
        """Waits for any: its position, and True and a sample or False and an error."""
        wait = timeout = self._timeout
        while True:
            with contextlib.suppress(queue.Empty):
                return self._done.get(timeout=wait)
            if timeout is not None:  # pragma: no branch - else nothing was Empty
                wait = min(_seconds_left(worker, timeout) for worker in self._workers)

    def close(self) -> None:
        """Waits for the samples being read and starts no more."""
        self._end()


def _seconds_left(worker: Worker, timeout: float) -> float:
    try:
        return seconds_left(worker.number, worker.reads, timeout)
    except TimeoutError:
        worker.is_stuck = True
        raise


def _work(worker: Worker, asked: queue.SimpleQueue, done: queue.SimpleQueue) -> None:
    while (request := asked.get()) is not None:
        position, method, args = request
        try:
            done.put((position, True, getattr(worker, method)(*args)))
        except BaseException as error:  # Ctrl-C included: the consumer is to see it
            done.put((position, False, error))
        del request, args  # or they would live until the next one
    asked.put(None)  # for the next thread


def _end(
    threads: Sequence[tuple[Worker, threading.Thread]],
    asked: queue.SimpleQueue,
    timeout: float | None,
) -> None:
    """Ends threads, and waits for what they read, as long as a read may take."""
    with contextlib.suppress(queue.Empty):  # what nobody reads yet is not wanted
        while True:
            asked.get_nowait()
    asked.put(None)
    # The last reference to a run may go in a thread that reads, for it or another run:
    # what that waited for could be waiting for the worker that it reads with.
    if threading.current_thread().name.startswith(NAME):
        return
    deadline = None if timeout is None else time.monotonic() + timeout
    for worker, thread in threads:
        if worker.is_stuck:  # its read has had its time
            continue
        thread.join(None if deadline is None else max(0, deadline - time.monotonic()))
        worker.is_stuck = thread.is_alive()
