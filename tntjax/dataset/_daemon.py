"""Threads that can be left behind."""

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

GRACE = 1.0
"""Seconds that what runs has for its end before it is left behind."""


class DaemonThreads:
    """Calls functions in threads that the interpreter does not wait for.

    Nothing ends a function that blocks. An executor of `concurrent.futures` waits for
    it, and if it is told not to, then the interpreter does when it ends.

    Args:
      limit: how many threads at most; one that is idle is used again.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._idle = limit, threading.Semaphore(0)
        self._calls: SimpleQueue[tuple[Future, Callable[[], Any]] | None] = (
            SimpleQueue()
        )
        self._threads: list[threading.Thread] = []

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Has a function called, with the context variables of the caller."""
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._limit:
            thread = threading.Thread(target=self._work, name="tntjax", daemon=True)
            thread.start()
            self._threads.append(thread)
        future: Future = Future()
        context = contextvars.copy_context()
        self._calls.put((future, lambda: context.run(function, *args)))
        return future

    def close(self) -> None:
        """Ends the threads. What runs has `GRACE`, and then ends by itself."""
        for _ in self._threads:
            self._calls.put(None)
        deadline = time.monotonic() + GRACE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            _answer(*call)
            self._idle.release()


def _answer(future: Future, function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
