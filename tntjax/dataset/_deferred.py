"""Deferred reads: all are issued, then waited for together."""

import asyncio
import inspect
import os
import threading
import weakref
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tntjax.dataset._daemon_threads import DaemonThreads, start_daemon

FOREIGN_TASK = """Sample {index} is an asyncio Task or Future, which belongs to the \
loop that made it, and that one stands still meanwhile.
Wrong:
    return asyncio.create_task(fetch(index))
Right: the coroutine itself, or a future of a thread pool,
    return fetch(index)
    return threads.submit(load, index)"""

IN_ITS_LOOP = """A coroutine cannot wait for a batch that is read in the loop that it \
runs in. Return a function that reads the batch: it is called in a thread."""


def read_all(batches: Any, indices: Sequence[int], concurrency: int) -> list[Any]:
    """Returns samples of what `batches` wraps, in order; they may be promises.

    All are asked for first, and `concurrency` functions and awaitables run at a time.
    Where an error passes, no name is left of what holds it: in a cycle the loop and its
    threads would stay until garbage is collected.
    """
    issued: list[Any] = []
    called: list[Future] = []
    name = type(batches).__name__
    try:
        for index in indices:
            with _naming(index, name):
                issued.append(batches.dataset[index])
                if asyncio.isfuture(issued[-1]):
                    raise TypeError(FOREIGN_TASK.format(index=index))
        if not any(map(_is_deferred, issued)):
            return [*issued]
        loop = find_loop(batches)
        reads = _Reads(name, asyncio.Semaphore(concurrency), loop.threads, called)
        outcome = loop.run(reads.resolve_all(issued, indices))
        if isinstance(outcome, _Failure):
            try:
                raise outcome.error
            finally:
                del outcome
        return outcome
    finally:
        while issued:
            _abandon(issued.pop())
        wait(called, GRACE)  # what was given up may end, and not for long
        called.clear()


@dataclass(frozen=True)
class _Failure:
    """An error of a read as a value: a KeyboardInterrupt would break the loop off."""

    error: BaseException


def _is_deferred(value: Any) -> bool:
    return isinstance(value, Future) or inspect.isawaitable(value) or callable(value)


def _abandon(value: Any) -> None:
    """Cancels what has not begun; what is done stays as it is."""
    if inspect.iscoroutine(value):
        if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            value.close()  # one that has begun belongs to its task
    elif isinstance(value, Future):
        value.cancel()
        value.add_done_callback(_abandon_result)
    elif asyncio.isfuture(value):
        with suppress(RuntimeError):  # its loop is closed
            value.get_loop().call_soon_threadsafe(value.cancel)


def _abandon_result(future: Future) -> None:
    if not future.cancelled() and future.exception() is None:
        _abandon(future.result())


@dataclass
class _Reads:
    """The common part of a batch's reads, of which the gate lets some in at a time."""

    name: str
    gate: asyncio.Semaphore
    threads: DaemonThreads
    called: list[Future]

    async def resolve_all(self, values: Sequence[Any], indices: Sequence[int]) -> Any:
        """Returns the samples, or how the first of them that failed did."""
        tasks = [
            asyncio.ensure_future(self._resolve(*pair))
            for pair in zip(values, indices, strict=True)
        ]
        try:
            for task in asyncio.as_completed(tasks):
                outcome = await task
                if isinstance(outcome, _Failure):
                    return outcome
            return [task.result() for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            # Not for ever, as a coroutine may catch the cancelling and go on.
            await asyncio.wait(tasks, timeout=GRACE)

    async def _resolve(self, value: Any, index: int) -> Any:
        try:
            with _naming(index, self.name):
                try:
                    while _is_deferred(value):
                        value = await self._keep(value)
                except asyncio.CancelledError as error:
                    raise CancelledError("The read was cancelled.") from error
        except BaseException as error:
            del value
            return _Failure(error)
        return value

    async def _keep(self, promise: Any) -> Any:
        """Returns what a promise gives, which may be another promise."""
        if isinstance(promise, Future):  # runs elsewhere and takes no place
            try:
                return await _await_future(promise)
            finally:
                del promise
        await self.gate.acquire()
        if inspect.isawaitable(promise):
            given = await promise
        else:
            self.called.append(self.threads.submit(promise))
            given = await _await_future(self.called[-1])
        self.gate.release()  # not after an error: nothing more is to begin
        return given


async def _await_future(future: Future) -> Any:
    """Awaits another thread's future, which is cancelled with the waiting.

    `asyncio.wrap_future` would hang on a StopIteration.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Future) -> None:
        with suppress(RuntimeError):  # nobody waits any more, the loop is closed
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    try:
        await done.wait()
    except asyncio.CancelledError:
        _abandon(future)
        raise
    try:
        return future.result()
    finally:
        del future


@contextmanager
def _naming(index: int, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"{name}: while reading sample {index}.")
        raise


GRACE = 1.0
"""Seconds that what runs has for its end before it is left behind."""


class ReadingLoop:
    """Runs coroutines in an event loop of its own, which stays from batch to batch.

    It has a thread: whether a loop runs where the reads are wanted, as in Jupyter, does
    not matter, and Ctrl-C comes to the thread that waits.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.threads = DaemonThreads()
        self._loop, self._closing = asyncio.new_event_loop(), threading.Event()
        args = self._loop, self._closing
        self._thread = start_daemon(_run, *args)
        self.close = weakref.finalize(self, _close, self._thread, *args, self.threads)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Waits for a coroutine; what breaks the waiting off cancels it."""
        if threading.current_thread() is self._thread:  # which would wait for itself
            coroutine.close()
            raise RuntimeError(IN_ITS_LOOP)
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


def _close(thread: threading.Thread, loop: Any, closing: Any, threads: Any) -> None:
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
