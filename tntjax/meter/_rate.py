"""Units of work a second."""

import dataclasses
import math

from tntjax._struct import describe
from tntjax.meter._meter import check_same
from tntjax.meter._time import TimeMeter


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
      >>> meter = RateMeter(TimeMeter(clock=lambda: next(readings)))
      >>> meter.add(128).add(128).value()
      64.0

    Torchnet: not there; its `TimeMeter` with `unit` measures the inverse.
    """

    time: TimeMeter = dataclasses.field(default_factory=TimeMeter)

    def __post_init__(self) -> None:
        if not isinstance(self.time, TimeMeter):
            raise TypeError(
                f"RateMeter needs a TimeMeter as time, got {describe(self.time)}. To"
                " count units, use add."
            )

    @property
    def n(self) -> int:
        """The number of units that were counted."""
        return self.time.n

    def add(self, n: int = 1) -> "RateMeter":
        """Counts units of work.

        Args:
          n: how many, at least 0.

        Returns:
          The new meter.

        Raises:
          TypeError: if `n` isn't an integer.
          ValueError: if it is negative.

        Example:
          >>> RateMeter().add(128).n
          128
        """
        return RateMeter(self.time.add(n))

    def stop(self) -> "RateMeter":
        """Stops the time; does nothing if it is stopped."""
        return RateMeter(self.time.stop())

    def resume(self) -> "RateMeter":
        """Lets the time run on; does nothing if it runs."""
        return RateMeter(self.time.resume())

    def reset(self) -> "RateMeter":
        """Sets time and units to zero; a stopped meter stays stopped."""
        return RateMeter(self.time.reset())

    def merge(self, other: "RateMeter") -> "RateMeter":
        """Adds the units and the time of another, as of two workers.

        Its time up to now counts. The merged meter runs if this one does.

        Raises:
          TypeError: if `other` is not a RateMeter.
        """
        check_same(self, other)
        return RateMeter(self.time.merge(other.time))

    def value(self) -> float:
        """Returns the rate up to now; the time goes on running.

        Returns:
          Units a second: 0 before the first unit, infinite if no time has passed.

        Example:
          >>> RateMeter().value()
          0.0
        """
        if not self.n:
            return 0.0
        seconds = dataclasses.replace(self.time, unit=False).value()
        return self.n / seconds if seconds else math.inf

    def __repr__(self) -> str:
        state = "running" if self.time.stopped is None else "stopped"
        return f"RateMeter({self.value():.6g} per s, n={self.n}, {state})"
