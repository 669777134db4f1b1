"""Reading ahead: which samples are asked for, and in which order they are yielded."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from tntjax._types import Sample


@contextlib.contextmanager
def quiet_at_exit() -> Iterator[None]:
    """Stops a daemon thread that fails because the interpreter ends.

    Its workers are gone by then, and a traceback would be the last word of a program
    that did nothing wrong.
    """
    try:
        yield
    except Exception:
        if threading.current_thread().daemon and not threading.main_thread().is_alive():
            _never_return()
        raise


def _never_return() -> None:
    threading.Event().wait()


class Run(Protocol):
    """Workers that read samples of one epoch."""

    def submit(self, position: int, index: int) -> None:
        """Asks for a sample."""
        ...

    def next_done(self) -> tuple[int, bool, Any]:
        """Waits for any: its position, and True and a sample or False and an error."""
        ...


def read_ahead(
    run: Run,
    positions: Iterable[int],
    index_of: Callable[[int], int],
    ahead: int,
    ordered: bool,
) -> Iterator[Sample]:
    """Yields samples of a run while the next ones are read.

    At most `ahead` are under way or wait for their turn, and if they are `ordered` an
    error of a sample is raised in its turn.
    """
    coming = enumerate(positions)
    done: dict[int, tuple[bool, Any]] = {}
    pending = 0

    def fill() -> None:
        nonlocal pending
        for number, position in islice(coming, ahead - pending):
            try:
                index = index_of(position)
            except Exception as error:
                if not ordered:
                    raise
                done[number] = False, error
            else:
                run.submit(number, index)
            pending += 1

    fill()
    turn = 0
    while pending:
        if ordered:
            while turn not in done:
                number, fine, value = run.next_done()
                done[number] = fine, value
            fine, value = done.pop(turn)
        else:
            _, fine, value = run.next_done()
        if not fine:
            raise value
        pending -= 1
        turn += 1
        fill()  # before the consumer is at work, so that the workers are too
        yield value
