"""Watches: what they are shown, and when; and where the time goes meanwhile."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import jax

from tntjax._struct import describe
from tntjax.engine._carry import read_on_host
from tntjax.engine._explain_error import explain_error
from tntjax.engine._signals import Signals
from tntjax.engine._state import LIGHT, Seconds, State

SEEN = (*LIGHT, "samples", "loss")
"""What hooks of the host see as compiled code left it; the rest the host knows."""


RETURNED = """the function {hook} of watch returned a changed State, which a watch \
throws away: it looks only. To change the State write tnt.every(n, hook)."""


class Clock:
    """Adds up seconds by purpose, without waiting for the device."""

    def __init__(self) -> None:
        self.spent = Seconds()
        self._last = time.perf_counter()

    def lap(self, purpose: str) -> None:
        """Counts the time since the last lap for one of the fields of `Seconds`."""
        now = time.perf_counter()
        spent = getattr(self.spent, purpose) + now - self._last
        self.spent = self.spent._replace(**{purpose: spent})
        self._last = now


class WatchQueue:
    """Calls that were not waited for, and what is to be shown when they are done.

    Args:
      clock: is told about waiting and showing.
      signals: hold Ctrl-C back while something is shown.
    """

    def __init__(self, clock: Clock, signals: Signals) -> None:
        self._clock, self._signals = clock, signals
        # The oldest first: something that a call returns, and what is shown after it.
        self._calls: deque[tuple[Any, list[Callable[[], Any]]]] = deque()
        self._shows: deque[Callable[[], Any]] = deque()  # of calls that are done

    def add(self, result: Any) -> None:
        """Takes note of a call, by something that it returns."""
        self._calls.append((result, []))

    def watch(
        self,
        function: Callable[[State], Any],
        name: str,
        state: State,
        place: tuple = (),
    ) -> None:
        """Queues a State to be shown to a function once the last call is done."""
        # No key, as there is none in what calls keep on the way.
        light = {name: getattr(state, name) for name in SEEN} | {"key": None}
        # The copies begin now, behind the call; a CPU's arrays need none.
        for leaf in jax.tree.leaves(light):
            if any(device.platform != "cpu" for device in leaf.devices()):
                leaf.copy_to_host_async()  # pragma: no cover - on accelerators

        def show() -> None:
            seen = state.replace(**read_on_host(light, place))
            with explain_error(function, name, seen):
                returned = function(seen)
                if isinstance(returned, State) and returned is not seen:
                    raise TypeError(RETURNED.format(hook=describe(function)))

        if not self._calls:  # all was waited for, and a hook has changed the State
            self.add(light["samples"])  # [], there already
        self._calls[-1][1].append(show)

    def settle(self, most: int) -> None:
        """Waits until at most so many calls are left, and shows those done in order."""
        self._show()  # those that were left when one failed
        while len(self._calls) > most:
            result, shows = self._calls.popleft()
            # A counter of the call: when it is there, so is all that the call made.
            jax.block_until_ready(result)
            self._clock.lap("device")
            self._shows.extend(shows)
            self._show()

    def drain(self) -> Iterator[Exception]:
        """Shows all that is left, and yields what is raised on the way."""
        while self._calls or self._shows:
            try:
                self.settle(0)
            except Exception as error:
                yield error

    def _show(self) -> None:
        while self._shows:
            show = self._shows.popleft()  # one that fails is not shown again
            with self._signals.heard("second"):
                show()
        self._clock.lap("hooks")
