"""Threads for functions that may block."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any


class DaemonThreads:
    """Calls functions in threads that the interpreter does not wait for.

    An executor of `concurrent.futures` waits for a function that blocks, or the
    interpreter does when it ends. A thread that is idle is used again.
    """

    def __init__(self) -> None:
        self._idle, self._count = threading.Semaphore(0), 0
        self._calls: SimpleQueue[Any] = SimpleQueue()  # futures and their functions

    def submit(self, function: Callable[[], Any]) -> Future:
        """Lets a thread call a function, with the context variables of the caller."""
        if not self._idle.acquire(blocking=False):
            start_daemon(_work, self._calls, self._idle)
            self._count += 1
        future: Future = Future()
        context = contextvars.copy_context()
        self._calls.put((future, lambda: context.run(function)))
        return future

    def close(self) -> None:
        """Ends the threads, each when it is done with what it runs."""
        for _ in range(self._count):
            self._calls.put(None)


def start_daemon(function: Callable[..., None], *args: Any) -> threading.Thread:
    """Starts a thread that the interpreter does not wait for."""
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
        del future  # which holds the error, whose traceback holds what is here
    else:
        future.set_result(result)
