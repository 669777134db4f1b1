"""Reading ahead: which samples are asked for, and in which order they are yielded."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
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
    """Yields samples of a run while at most `ahead` are read or wait for their turn.

    If they are `ordered`, an error of a sample is raised in its turn.
    """
    coming = enumerate(positions)
    done: dict[int, tuple[bool, Any]] = {}
    pending, value = 0, None
    for turn in count():
        for number, position in islice(coming, ahead - pending):
            try:
                index = index_of(position)
            except Exception as error:
                if not ordered:
                    raise
                done[number] = (
                    False,
                    error,
                )  # of `perm`: raised where its sample was due
            else:
                run.submit(number, index)
            pending += 1
        if turn:  # yielded after asking for more: workers read while the consumer works
            yield value
        if not pending:
            return
        while ordered and turn not in done:
            number, fine, value = run.next_done()
            done[number] = fine, value
        fine, value = done.pop(turn) if ordered else run.next_done()[1:]
        if not fine:
            raise value
        pending -= 1
