import dataclasses
import math

from tntjax._struct import describe
from tntjax.meter._meter import check_same
from tntjax.meter._time import TimeMeter
from tntjax.meter.parts._count import count_of


@dataclasses.dataclass(frozen=True, repr=False)
class RateMeter:
    """Measures how many units of work are done a second, such as samples.

    Like `TimeMeter` it runs from its making on, is a value whose methods return a new
    one, and lives on the host: in a variable of yours or in a host hook, not in
    `state.meters`. A compiled call returns before its work is done, so count where
    results are looked at: in `watch`, `every` or at the end of an epoch.

    Args:
      time: the stopwatch, which also counts the units.

    Example:
      >>> readings = iter([10.0, 14.0])
      >>> RateMeter(TimeMeter(clock=lambda: next(readings))).add(256).value()
      64.0

    Torchnet: not there; its `TimeMeter` with `unit` measures the inverse.
    """

    time: TimeMeter = dataclasses.field(default_factory=TimeMeter)

    n = count_of("time")

    def __post_init__(self) -> None:
        if not isinstance(self.time, TimeMeter):
            raise TypeError(
                f"RateMeter needs a TimeMeter as time, got {describe(self.time)}. To"
                " count units, use add."
            )

    def add(self, n: int = 1) -> "RateMeter":
        """Counts `n` units of work, an integer of at least 0, or raises."""
        return RateMeter(self.time.add(n))

    def stop(self) -> "RateMeter":
        """Stops the time; does nothing if it is stopped."""
        return RateMeter(self.time.stop())

    def resume(self) -> "RateMeter":
        """Lets the time run on, that while it was stopped not counted."""
        return RateMeter(self.time.resume())

    def reset(self) -> "RateMeter":
        """Sets time and units to zero; a stopped meter stays stopped."""
        return RateMeter(self.time.reset())

    def merge(self, other: "RateMeter") -> "RateMeter":
        """Adds what `TimeMeter.merge` adds, of another RateMeter, or raises."""
        check_same(self, other)
        return RateMeter(self.time.merge(other.time))

    def value(self) -> float:
        """Returns units a second: 0 before the first, infinite if no time passed."""
        if not self.n:
            return 0.0
        seconds = dataclasses.replace(self.time, unit=False).value()
        return self.n / seconds if seconds else math.inf

    def __repr__(self) -> str:
        state = "running" if self.time.stopped is None else "stopped"
        return f"RateMeter({self.value():.6g} per s, n={self.n}, {state})"
