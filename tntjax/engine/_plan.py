"""How many steps one compiled call makes."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, Protocol

LONGEST = 32
CHUNK_BYTES = 64 * 2**20


class Stop(Protocol):
    """Something that happens on the host after some updates."""

    @property
    def n(self) -> int | None:
        """How many updates lie between two times, None if that varies."""
        ...

    def wait(self, t: int) -> int | None:
        """Returns in how many updates it happens next, None for never."""
        ...


@dataclasses.dataclass(frozen=True)
class Plan:
    """Chunk lengths such that a chunk ends wherever the host wants to act.

    A length depends on the position alone and not on what went before, so that a run
    resumed in the middle makes the same calls as one that was never stopped.

    Args:
      longest: most steps in a call.
      stops: a call ends where one of these has something to do.
      most_bytes: most bytes of samples in a call, None for any number.
    """

    longest: int
    stops: tuple[Stop, ...]
    most_bytes: int | None

    def usual(self, sample_bytes: int) -> int:
        """Returns how many steps a call makes if nothing stops it."""
        if self.most_bytes is None:
            return self.longest
        return min(self.longest, max(1, self.most_bytes // max(1, sample_bytes)))

    def room(self, t: int, sample_bytes: int) -> int:
        """Returns how many steps may be made at once when `t` updates are done."""
        waits = (stop.wait(t) for stop in self.stops)
        return min((self.usual(sample_bytes), *(w for w in waits if w is not None)))


def make_plan(steps_per_call: int | Literal["auto"], stops: Sequence[Stop]) -> Plan:
    """Chooses the usual chunk length.

    Args:
      steps_per_call: most steps in a call, or `"auto"`: up to 32, as many as 64 MiB
        hold, and if possible a divisor of the shortest distance between stops, so
        that one length does.
      stops: what happens on the host, and when.

    Returns:
      The plan.

    Raises:
      ValueError: if `steps_per_call` is neither `"auto"` nor a positive integer.
    """
    if steps_per_call == "auto":
        shortest = min((stop.n for stop in stops if stop.n), default=LONGEST)
        divisors = (k for k in range(LONGEST, LONGEST // 2, -1) if shortest % k == 0)
        longest = shortest if shortest <= LONGEST else next(divisors, LONGEST)
        return Plan(longest, tuple(stops), CHUNK_BYTES)
    valid = isinstance(steps_per_call, int) and not isinstance(steps_per_call, bool)
    if not valid or steps_per_call < 1:
        raise ValueError(
            f'steps_per_call must be "auto" or at least 1, got {steps_per_call!r}.'
        )
    return Plan(steps_per_call, tuple(stops), None)
