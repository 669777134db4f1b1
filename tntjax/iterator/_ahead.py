"""Reading ahead: which samples are asked for, and in which order they are yielded."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from tntjax._types import Sample


@contextlib.contextmanager
def quiet_at_exit() -> Iterator[None]:
    """Stops a daemon thread that fails because the interpreter ends."""
    try:
        yield
    except Exception:
        if threading.current_thread().daemon and not threading.main_thread().is_alive():
            # Workers die first: a traceback would be the last word of a sound program.
            _never_return()
        raise


def _never_return() -> None:
    threading.Event().wait()


def read_ahead(
    run: Any,
    positions: Iterable[int],
    index_of: Callable[[int], int],
    ahead: int,
    ordered: bool,
) -> Iterator[Sample]:
    """Yields samples of a run while at most `ahead` more are read or wait for a turn.

    If they are `ordered`, an error of a sample is raised in its turn.
    """
    coming = enumerate(positions)
    done: dict[int, tuple[bool, Any]] = {}
    pending = turn = 0
    while True:
        # Before the consumer is at work again, so that the workers are too.
        for number, position in islice(coming, ahead - pending):
            try:
                index = index_of(position)
            except Exception as error:
                if not ordered:
                    raise
                done[number] = False, error  # perm failed: this is its sample's error
            else:
                run.submit(number, index)
            pending += 1
        if not pending:
            return
        while ordered and turn not in done:
            number, *done[number] = run.next_done()
        fine, value = done.pop(turn) if ordered else run.next_done()[1:]
        if not fine:
            raise value
        pending, turn = pending - 1, turn + 1
        yield value
