"""Deferred reads: all are issued, then waited for together."""

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

FOREIGN_TASK = """Sample {index} is an asyncio Task or Future, which belongs to the \
loop that made it, and that one stands still meanwhile.
Wrong:
    return asyncio.create_task(fetch(index))
Right: the coroutine itself, or a future of a thread pool,
    return fetch(index)
    return threads.submit(load, index)"""


def read_all(
    read: Callable[[int], Any], indices: Sequence[int], concurrency: int, name: str
) -> list[Any]:
    """Reads samples that may come as promises.

    Args:
      read: `index -> sample`, or a function without arguments, a future of
        `concurrent.futures` or an awaitable that gives one.
      indices: what to read. `read` is called for all of them first.
      concurrency: how many functions and awaitables run at a time.
      name: who reads, for errors.

    Returns:
      The samples, in order.
    """
    issued: list[Any] = []
    try:
        for index in indices:
            with _naming(index, name):
                issued.append(read(index))
                if asyncio.isfuture(issued[-1]):
                    raise TypeError(FOREIGN_TASK.format(index=index))
        if not any(map(_is_deferred, issued)):
            return issued
        return _run(_resolved(issued, indices, concurrency, name))
    finally:
        for value in issued:
            _abandon(value)


def _is_deferred(value: Any) -> bool:
    return isinstance(value, Future) or inspect.isawaitable(value) or callable(value)


def _abandon(value: Any) -> None:
    """Cancels what has not begun; what is done stays as it is."""
    if inspect.iscoroutine(value):
        value.close()
    elif isinstance(value, Future) or asyncio.isfuture(value):
        value.cancel()


def _run(work: Coroutine[Any, Any, list]) -> list:
    """Runs a loop of our own: where one runs already, as in Jupyter, in a thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_here(work)
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, _run_here, work).result()


def _run_here(work: Coroutine[Any, Any, list]) -> list:
    # With a factory the loop that this thread has set, if any, stays set.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


async def _resolved(
    issued: Sequence[Any], indices: Sequence[int], concurrency: int, name: str
) -> list:
    gate = asyncio.Semaphore(concurrency)
    threads = ThreadPoolExecutor(concurrency)
    tasks = [
        asyncio.ensure_future(_resolve(value, index, gate, threads, name))
        for value, index in zip(issued, indices, strict=True)
    ]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        threads.shutdown(cancel_futures=True)  # waits for what already runs


async def _resolve(
    value: Any,
    index: int,
    gate: asyncio.Semaphore,
    threads: ThreadPoolExecutor,
    name: str,
) -> Any:
    await gate.acquire()
    with _naming(index, name):
        try:
            while _is_deferred(value):
                if isinstance(value, Future):
                    value = await _result(value)
                elif inspect.isawaitable(value):
                    value = await value
                else:
                    value = threads.submit(value)
        except asyncio.CancelledError as error:
            if _being_cancelled():
                raise
            raise CancelledError("The read was cancelled.") from error
    gate.release()  # not after an error: nothing more is to begin
    return value


async def _result(future: Future) -> Any:
    """The result of another thread's future, which is cancelled with the waiting."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Future) -> None:
        with suppress(RuntimeError):  # nobody waits any more, the loop is closed
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    try:
        await done.wait()
    except asyncio.CancelledError:
        future.cancel()
        raise
    return future.result()


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def _naming(index: int, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"{name}: while reading sample {index}.")
        raise
