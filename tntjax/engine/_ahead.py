"""Reading ahead: a thread has the next chunks ready while the caller dispatches."""

import contextlib
import contextvars
import queue
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax

from tntjax.engine._call import Batches
from tntjax.engine._plan import Steps

READ_AHEAD = 2
"""Chunks that are read before they are asked for, at most, as they take memory."""

PATIENCE = 1.0
"""Seconds that leaving early waits for a read; a longer one ends by itself."""


class Planned(NamedTuple):
    """The samples of a call, and its steps.

    Args:
      batches: its samples.
      steps: what it does.
      leads_on: whether a thread may read the chunk after it while the call is made.
    """

    batches: Batches
    steps: Steps
    leads_on: bool = False


def read_ahead(chunks: Generator[Planned]) -> Generator[Planned]:
    """Yields chunks in order, and from one that leads on lets a thread read the next.

    Only one thread touches `chunks` at a time: first the caller, who would have to
    wait for the first chunk anyway, then the thread. It does not read beyond a chunk
    that does not lead on before the next one is asked for, since what the caller does
    in between may change it. An error is raised in its turn.

    Args:
      chunks: what to read. It is closed when this is.

    Yields:
      What `chunks` yields.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(chunks.close)
        for planned in chunks:
            if planned.leads_on:
                stack.pop_all()  # the thread closes what it reads
                yield from _read_by_thread(planned, chunks)
                return
            yield planned


def sees_settings() -> bool:
    """True if JAX has the settings of this thread in a new one, too.

    What a context manager sets, as `jax.enable_x64` or `jax.default_device`, holds in
    the thread that entered it.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_find_settings).result() == _find_settings()


def _find_settings() -> tuple[Any, ...]:
    return jax.config.values, jax.sharding.get_abstract_mesh()


Asks = queue.SimpleQueue[int | None]
"""Numbers of stretches, for a chunk each; None to end. A stretch ends behind a chunk
that does not lead on. What was asked for there before this was known is not read."""

Found = queue.SimpleQueue[tuple[Planned | None, BaseException | None]]


def _read_by_thread(
    planned: Planned | None, chunks: Generator[Planned]
) -> Generator[Planned]:
    """Yields a chunk, and those after it as a thread reads them."""
    asks, found = Asks(), Found()
    arguments = _read_on, chunks, asks, found
    thread = threading.Thread(
        target=contextvars.copy_context().run,  # with the caller's variables
        args=arguments,
        name="tntjax-ahead",
        daemon=True,  # a read that never ends keeps no program alive
    )
    thread.start()
    stretch = asked = 0  # asked: chunks that are still to come
    try:
        while planned is not None:
            if planned.leads_on:
                asked += _ask(asks, stretch, READ_AHEAD - asked)
            else:  # what was asked for beyond it is void: the thread has stopped there
                stretch, asked = stretch + 1, 0
            yield planned
            asked += _ask(asks, stretch, 1 - asked)  # the one that is waited for
            planned, error = found.get()  # None and None at the end
            asked -= 1
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # or its traceback would hold it, and it the State
    finally:
        _end(thread, asks)


def _ask(asks: Asks, stretch: int, number: int) -> int:
    """Asks for so many chunks more, and returns how many."""
    for _ in range(number):
        asks.put(stretch)
    return max(0, number)


def _read_on(chunks: Generator[Planned], asks: Asks, found: Found) -> None:
    """Reads what is asked for, in the thread."""
    stretch = 0
    with contextlib.closing(chunks):
        while (asked := asks.get()) is not None:
            if asked == stretch:  # else it is void: see Asks
                planned, error = _read(chunks)
                stretch += planned is None or not planned.leads_on  # 0 or 1
                found.put((planned, error))
                del planned, error  # or they would live until more is asked for


def _read(
    chunks: Generator[Planned],
) -> tuple[Planned | None, BaseException | None]:
    try:
        return next(chunks, None), None
    except BaseException as error:  # raised by the caller, in its turn
        return None, error


def _end(thread: threading.Thread, asks: Asks) -> None:
    """Tells the thread to read no more, and waits for it."""
    with contextlib.suppress(queue.Empty):
        while True:
            asks.get_nowait()
    asks.put(None)
    thread.join(PATIENCE)
