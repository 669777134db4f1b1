"""An event loop and threads for reads, none of which the interpreter waits for."""

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

GRACE = 1.0
"""Seconds that what runs has for its end before it is left behind."""


class DaemonThreads:
    """Calls functions in threads that the interpreter does not wait for.

    Nothing ends a function that blocks. An executor of `concurrent.futures` waits for
    it, and if it is told not to, then the interpreter does when it ends. A thread that
    is idle is used again.
    """

    def __init__(self) -> None:
        self._idle, self._count = threading.Semaphore(0), 0
        self._calls: SimpleQueue[tuple[Future, Callable[[], Any]] | None] = (
            SimpleQueue()
        )

    def submit(self, function: Callable[[], Any]) -> Future:
        """Lets a thread call a function, with the context variables of the caller."""
        if not self._idle.acquire(blocking=False):
            _start(_work, self._calls, self._idle)
            self._count += 1
        future: Future = Future()
        context = contextvars.copy_context()
        self._calls.put((future, lambda: context.run(function)))
        return future

    def close(self) -> None:
        """Ends the threads, each when it is done with what it runs."""
        for _ in range(self._count):
            self._calls.put(None)


def _start(function: Callable[..., None], *args: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args, name="tnt-reads", daemon=True)
    thread.start()
    return thread


def _work(calls: SimpleQueue, idle: threading.Semaphore) -> None:
    while (call := calls.get()) is not None:
        answer(*call)
        del call  # or what it holds would live until the next one
        idle.release()


def answer(future: Future, function: Callable[[], Any]) -> None:
    """Calls a function for a future, unless that was cancelled in time."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class ReadingLoop:
    """Runs coroutines in an event loop of its own, which stays from batch to batch.

    The loop has a thread, so it does not matter whether one runs already where the
    reads are wanted, as in Jupyter, and Ctrl-C comes to the thread that waits.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.threads = DaemonThreads()
        self._loop, self._closing = asyncio.new_event_loop(), threading.Event()
        args = self._loop, self._closing
        thread = _start(_run, *args)
        self.close = weakref.finalize(self, _close, thread, *args, self.threads)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Waits for a coroutine; what breaks the waiting off cancels it."""
        ended = threading.Event()

        async def run() -> Any:
            try:
                return await coroutine
            finally:
                ended.set()

        running = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            ended.wait(GRACE)
            raise


def _run(loop: asyncio.AbstractEventLoop, closing: threading.Event) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()
        while not closing.is_set():
            with suppress(KeyboardInterrupt, SystemExit):  # of a task, which has it too
                loop.run_forever()


def _close(
    thread: threading.Thread,
    loop: asyncio.AbstractEventLoop,
    closing: threading.Event,
    threads: DaemonThreads,
) -> None:
    closing.set()
    threads.close()
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(GRACE)


_LOOPS: weakref.WeakKeyDictionary[Any, ReadingLoop] = weakref.WeakKeyDictionary()
_FINDING = threading.Lock()


def find_loop(dataset: Any) -> ReadingLoop:
    """Returns the loop in which a dataset is read, in this process.

    It is that of the innermost wrapped dataset, such as a store with connections, and
    lives as long: a new order of each epoch finds the connections of the last one.
    """
    source = dataset
    while hasattr(source, "dataset"):
        source = source.dataset
    try:
        hash(weakref.ref(source))
    except TypeError:  # a list, or what compares by value
        source = dataset
    with _FINDING:
        loop = _LOOPS.get(source)
        if loop is None or loop.owner != os.getpid():  # a copy of a process has none
            loop = _LOOPS[source] = ReadingLoop()
        return loop
