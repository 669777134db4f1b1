"""Ctrl-C and SIGTERM, which come between two calls and never inside one."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, Literal

import jax
from jax.experimental.multihost_utils import reached_preemption_sync_point

TERMINATED = 128 + signal.SIGTERM
"""What a program exits with after SIGTERM, by convention."""

Hears = Literal["nothing", "second", "all"]
"""Which Ctrl-C raises KeyboardInterrupt at once; what does not waits for a `check`."""


class Signals:
    """Handles signals while a run is under way, in the main thread only.

    Ctrl-C raises KeyboardInterrupt, but not while the State is half changed: then it
    waits for the next `check`. SIGTERM is taken note of, and ends the program when the
    block does. A handler that somebody else installed stays. Among several processes
    JAX does that, and tells all before which call they end.

    Args:
      saves: whether hooks save the State; else SIGTERM does what it did before.
    """

    def __init__(self, saves: bool) -> None:
        self.terminated = self._interrupted = False
        self._hears: Hears = "nothing"
        self._saves = saves
        self._asks_jax, self._calls = saves and _tells_all(), 0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            # Python's own, or that of a run in whose hook this run is.
            outer = isinstance(getattr(handler, "__self__", None), Signals)
            if outer or handler is signal.default_int_handler:
                self._install(signal.SIGINT, self._interrupt)
            handler = signal.getsignal(signal.SIGTERM)
            if self._saves and not self._asks_jax and handler is signal.SIG_DFL:
                self._install(signal.SIGTERM, self._terminate)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._old.items():  # before anything is raised
            signal.signal(number, handler)
        if self.terminated and error[0] is None:  # an error on its way out goes first
            raise SystemExit(TERMINATED)
        if error[0] is None:
            self.check()

    @contextlib.contextmanager
    def heard(self, hears: Hears = "all") -> Iterator[None]:
        """Lets Ctrl-C raise KeyboardInterrupt at once inside the block."""
        before, self._hears = self._hears, hears
        try:
            yield
        finally:
            self._hears = before

    def heard_in_hook(self) -> contextlib.AbstractContextManager[None]:
        """Lets Ctrl-C break off a hook, but not the first one if the run is saved.

        A hook that is broken off has done half of its work, so a run that goes on from
        what was saved then would differ from one that was never stopped.
        """
        return self.heard("second" if self._saves else "all")

    def check(self) -> None:
        """Raises KeyboardInterrupt if there was a Ctrl-C that had to wait."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def ask_before_call(self) -> None:
        """Takes note of a SIGTERM that came to one of several processes.

        Each asks before the same calls, so that all of them end before the same one.
        """
        if self._asks_jax:
            self._calls += 1
            self.terminated |= reached_preemption_sync_point(self._calls)

    def _install(self, number: int, handler: Any) -> None:
        self._old[number] = signal.signal(number, handler)

    def _interrupt(self, number: int, frame: Any) -> None:
        second, self._interrupted = self._interrupted, True
        if self._hears == "all" or (self._hears == "second" and second):
            self.check()

    def _terminate(self, number: int, frame: Any) -> None:
        self.terminated = True  # who runs calls looks at it between two


def _tells_all() -> bool:
    """True if JAX tells several processes of a SIGTERM that came to one."""
    if jax.process_count() == 1 or not jax.distributed.is_initialized():
        return False
    try:
        reached_preemption_sync_point(0)
    except RuntimeError:  # jax_enable_preemption_service is off
        return False
    return True
