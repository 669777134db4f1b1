"""Deferred reads: all are issued, then waited for together."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tntjax.dataset._daemon import DaemonThreads

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
        with closing(DaemonThreads(concurrency)) as threads:
            outcome = _run(
                lambda: _resolved(issued, indices, concurrency, threads, name)
            )
        if isinstance(outcome, _Failure):
            raise outcome.error
        return outcome
    finally:
        for value in issued:
            _abandon(value)


@dataclass(frozen=True)
class _Failure:
    """What a read raised, as a value: a KeyboardInterrupt would break the loop off."""

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


Work = Callable[[], Coroutine[Any, Any, Any]]


def _run(work: Work) -> Any:
    """Runs a loop of our own: where one runs already, as in Jupyter, in a thread."""
    return _run_beside(work) if _a_loop_runs() else _run_here(work)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_here(work: Work) -> Any:
    # With a factory the loop that this thread has set, if any, stays set.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work())


def _run_beside(work: Work) -> Any:
    begun: Future = Future()

    async def begin() -> Any:
        begun.set_result(asyncio.current_task())
        return await work()

    with closing(DaemonThreads(1)) as thread:
        try:
            return thread.submit(_run_here, begin).result()
        except BaseException:  # Ctrl-C, which comes to the thread that waits
            begun.add_done_callback(_cancel)
            raise


def _cancel(begun: Future) -> None:
    task = begun.result()
    with suppress(RuntimeError):  # it is done, and its loop closed
        task.get_loop().call_soon_threadsafe(task.cancel)


async def _resolved(
    issued: Sequence[Any],
    indices: Sequence[int],
    concurrency: int,
    threads: DaemonThreads,
    name: str,
) -> list[Any] | _Failure:
    """The samples, or how the first of them that failed did."""
    gate = asyncio.Semaphore(concurrency)
    tasks = [
        asyncio.ensure_future(_resolve(value, index, gate, threads, name))
        for value, index in zip(issued, indices, strict=True)
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
        await asyncio.gather(*tasks, return_exceptions=True)


async def _resolve(
    value: Any, index: int, gate: asyncio.Semaphore, threads: DaemonThreads, name: str
) -> Any:
    try:
        with _naming(index, name):
            try:
                while _is_deferred(value):
                    value = await _given(value, gate, threads)
            except asyncio.CancelledError as error:
                raise CancelledError("The read was cancelled.") from error
    except BaseException as error:
        return _Failure(error)
    return value


async def _given(value: Any, gate: asyncio.Semaphore, threads: DaemonThreads) -> Any:
    """What a promise gives, which may be another promise."""
    if isinstance(value, Future):
        return await _result(value)  # runs elsewhere, whether we wait or not
    await gate.acquire()
    if inspect.isawaitable(value):
        given = await value
    else:
        given = await _result(threads.submit(value))
    gate.release()  # not after an error: nothing more is to begin
    return given


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
        _abandon(future)
        raise
    return future.result()


@contextmanager
def _naming(index: int, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"{name}: while reading sample {index}.")
        raise
