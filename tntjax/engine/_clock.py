"""Where the time goes, told apart without waiting for the device."""

import time

from tntjax.engine._state import Seconds


class Clock:
    """Adds up seconds by purpose: each lap is the time since the one before."""

    def __init__(self) -> None:
        self.spent = Seconds()
        self._last = time.perf_counter()

    def lap(self, purpose: str) -> None:
        """Counts the time since the last lap for one of the fields of `Seconds`."""
        now = time.perf_counter()
        spent = getattr(self.spent, purpose) + now - self._last
        self.spent = self.spent._replace(**{purpose: spent})
        self._last = now
