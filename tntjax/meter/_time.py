import dataclasses
import math
import time
from collections.abc import Callable
from typing import cast

from tntjax._numbers import check_boolean, check_integer
from tntjax._struct import describe, static
from tntjax.meter._meter import check_same


@dataclasses.dataclass(frozen=True, repr=False)
class TimeMeter:
    """Measures wall-clock time, or time per unit of work.

    It runs from its making on. Like every meter it is a value: `add`, `stop`, `resume`
    and `reset` return a new one, so rebind the result.

    It lives on the host, in a variable of yours or in a host hook, and isn't meant for
    `state.meters`: a compiled step has no clock, and this is not a pytree of arrays.
    Stop it before it goes to another process or a file, where the clock may start
    elsewhere.

    Args:
      unit: measure seconds per unit, as counted by `add`.
      clock: a function that returns seconds, for tests.
      start: the clock's reading from which the time counts; now if None.
      stopped: the clock's reading where it was stopped; None while it runs.
      n: how many units were counted.

    Example:
      >>> readings = iter([10.0, 14.0])
      >>> TimeMeter(unit=True, clock=lambda: next(readings)).add(2).value()
      2.0

    Torchnet: `meter/timemeter.lua`, where `add` is called `incUnit`.
    """

    unit: bool = static(default=False)
    _: dataclasses.KW_ONLY
    clock: Callable[[], float] = time.perf_counter
    start: float | None = None
    stopped: float | None = None
    n: int = 0

    def __post_init__(self) -> None:
        check_boolean("TimeMeter: unit", self.unit)
        if not callable(self.clock):
            raise TypeError(
                "TimeMeter needs a function that returns seconds as clock, got"
                f" {describe(self.clock)}."
            )
        if self.start is None:
            object.__setattr__(self, "start", self.clock())

    def add(self, n: int = 1) -> "TimeMeter":
        """Counts `n` units of work, an integer of at least 0, or raises."""
        units = check_integer(n, "TimeMeter.add needs integer n, a number of units")
        if units < 0:
            raise ValueError(f"TimeMeter.add needs n >= 0, got {n}.")
        return dataclasses.replace(self, n=self.n + units)

    def stop(self) -> "TimeMeter":
        """Stops the time; does nothing if it is stopped."""
        if self.stopped is not None:
            return self
        return dataclasses.replace(self, stopped=self.clock())

    def resume(self) -> "TimeMeter":
        """Lets the time run on, that while it was stopped not counted."""
        if self.stopped is None:
            return self
        start = self.clock() - self._elapsed()
        return dataclasses.replace(self, start=start, stopped=None)

    def reset(self) -> "TimeMeter":
        """Sets time and units to zero; a stopped meter stays stopped."""
        now = self.clock()
        stopped = None if self.stopped is None else now
        return dataclasses.replace(self, start=now, stopped=stopped, n=0)

    def merge(self, other: "TimeMeter") -> "TimeMeter":
        """Adds another's time up to now and units; the result runs if this one does.

        Raises:
          TypeError: if `other` is not a TimeMeter.
          ValueError: if only one of them measures per unit.
        """
        check_same(self, other)
        start = cast(float, self.start) - other._elapsed()
        return dataclasses.replace(self, start=start, n=self.n + other.n)

    def value(self) -> float:
        """Returns seconds up to now, or per unit: infinite before the first."""
        if not self.unit:
            return self._elapsed()
        return self._elapsed() / self.n if self.n else math.inf

    def _elapsed(self) -> float:
        now = self.clock() if self.stopped is None else self.stopped
        return float(now - cast(float, self.start))  # a clock may be NumPy's

    def __repr__(self) -> str:
        state = "running" if self.stopped is None else "stopped"
        per = " s per unit" if self.unit else " s"
        return f"TimeMeter({self.value():.6g}{per}, n={self.n}, {state})"
