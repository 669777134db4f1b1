"""Ctrl-C and SIGTERM, which come between two calls and never inside one."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

TERMINATED = 128 + signal.SIGTERM
"""What a program exits with after SIGTERM, by convention."""


class Signals:
    """Handles signals while a run is under way, in the main thread only.

    Ctrl-C raises KeyboardInterrupt, but not while the State is half changed: then it
    waits. SIGTERM is taken note of, and ends the program when the block does. A handler
    that somebody else installed stays.

    Args:
      terminates: whether to take note of SIGTERM; else it ends the program as usual.
    """

    def __init__(self, terminates: bool) -> None:
        self.terminated = False
        self._interrupted = self._busy = False
        self._old: dict[int, Any] = {}
        self._wanted: dict[int, tuple[Any, Any]] = {
            signal.SIGINT: (signal.default_int_handler, self._interrupt)
        }
        if terminates:
            self._wanted[signal.SIGTERM] = (signal.SIG_DFL, self._terminate)

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number, (usual, handler) in self._wanted.items():
                if signal.getsignal(number) is usual:
                    self._old[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        if self.terminated and error[0] is None:
            raise SystemExit(TERMINATED)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Has Ctrl-C wait until the end of the block."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: Any) -> None:
        if not self._busy:
            raise KeyboardInterrupt
        self._interrupted = True

    def _terminate(self, number: int, frame: Any) -> None:
        self.terminated = True
