"""The number of steps that one compiled call makes."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import jax

from tntjax._numbers import check_integer
from tntjax.engine._hooks import Scheduled

StepsPerCall = int | Literal["auto"]

LONGEST, CHUNK_BYTES = 32, 64 * 2**20
"""Most steps in a call, and most bytes of its samples, if nobody chose a number."""

LONGEST_ACCELERATED, CHUNK_BYTES_ACCELERATED = 128, 8 * 2**20
"""The same on an accelerator, where a call costs more and its steps cost less. Samples
that are sent there are few, so that it need not wait long for the first ones."""

KEPT = 4
"""States of the light kind that one call may keep, as each has its meters."""


@dataclasses.dataclass(frozen=True)
class Steps:
    """The steps of one call.

    Args:
      count: how many steps it makes.
      length: how many it is compiled for; the samples between are padding.
      counted: whether what is compiled is told the count, so that it serves all counts
        up to its length. If not, the two are equal.
      keep_every: after how many steps it keeps what a watch sees, None for never. It
        divides the length of what is counted.
      apart: whether each step may be a call of its own, where that is faster.
    """

    count: int
    length: int
    counted: bool = False
    keep_every: int | None = None
    apart: bool = False

    def kept_times(self, t: int) -> range:
        """Returns after which updates something is kept that no later call shows."""
        if self.keep_every is None or t % self.keep_every:
            return range(0)  # from between two multiples a call goes to the next
        return range(t + self.keep_every, t + self.count, self.keep_every)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Chunk lengths such that a chunk ends wherever the host wants to act.

    A length depends on the position alone and not on what went before, so that a run
    resumed in the middle makes the same calls as one that was never stopped.

    Args:
      longest: most steps in a call.
      stops: a call ends where one of these has something to do.
      most_bytes: most bytes of samples in a call, None for any number.
      keep_every: after how many updates a call keeps what a watch sees, so that it
        need not end there. A call that does not start at a multiple ends at one.
      accelerated: whether the steps are made on an accelerator. There a loop knows
        its number of steps, or the host would be asked after each if it goes on.
    """

    longest: int
    stops: tuple[Scheduled, ...]
    most_bytes: int | None
    keep_every: int | None = None
    accelerated: bool = False

    def usual(self, sample_bytes: int, epoch_length: int | None = None) -> int:
        """Returns how many steps a call makes if nothing stops it.

        Args:
          sample_bytes: bytes of a sample.
          epoch_length: how many there are in an epoch, if calls may divide it.
        """
        usual = self.longest
        if self.most_bytes is not None:
            usual = min(usual, max(1, self.most_bytes // max(1, sample_bytes)))
        # Whole groups, so that the next call begins where a State is kept.
        if self.keep_every is not None and usual > self.keep_every:
            usual -= usual % self.keep_every
        chosen = self.most_bytes is None
        if epoch_length is None or chosen or self.stops or self.keep_every is not None:
            return usual
        return _divide(epoch_length, usual)

    def room(self, t: int, sample_bytes: int, epoch_length: int | None = None) -> int:
        """Returns how many steps may be made at once when `t` updates are done."""
        usual = self.usual(sample_bytes, epoch_length)
        waits = [stop.wait(t) for stop in self.stops]
        # To a multiple, from where on calls keep what watches see.
        if self.keep_every is not None and (
            t % self.keep_every or usual < self.keep_every
        ):
            waits.append(self.keep_every - t % self.keep_every)
        return min((usual, *(wait for wait in waits if wait is not None)))

    def steps(
        self,
        count: int,
        sample_bytes: int,
        exact: bool = False,
        epoch_length: int | None = None,
    ) -> Steps:
        """Returns what a call does with so many samples.

        Args:
          count: how many samples there are.
          sample_bytes: bytes of one.
          exact: compile for this length. Else lengths between one and the usual one
            share an executable, by padding, which is told the number of steps, if so
            many samples are not too large. On a CPU the usual one does, too.
          epoch_length: as `room` was given it.
        """
        apart = self.most_bytes is not None  # nobody has chosen a number of steps
        if count == 1:  # compiled without a loop, so it is never padded
            return Steps(1, 1)
        usual = self.usual(sample_bytes, epoch_length)
        keep_every = self.keep_every
        exact = exact or usual * sample_bytes > CHUNK_BYTES  # too much to pad to
        if keep_every is None or usual <= keep_every or (exact and count < keep_every):
            keep_every = None
        unit = keep_every or 1  # a length holds whole groups between two kept States
        length = count if exact else -(-max(usual, count) // unit) * unit
        counted = not exact and (not self.accelerated or length > count)
        return Steps(count, length, counted, keep_every, apart)


def check_steps_per_call(number: Any) -> StepsPerCall:
    """Returns the number of steps that a user has chosen, or "auto".

    Raises:
      TypeError: if it is neither a word nor an integer.
      ValueError: if it is another word or below 1.
    """
    subject = 'steps_per_call must be "auto" or at least 1'
    if isinstance(number, str):
        if number == "auto":
            return "auto"
    elif (count := check_integer(number, subject)) >= 1:
        return count
    raise ValueError(f"{subject}, got {number!r}.")


def make_plan(
    steps_per_call: StepsPerCall,
    scheduled: Sequence[Scheduled],
    accelerated: bool | None = None,
) -> Plan:
    """Chooses the usual chunk length.

    Args:
      steps_per_call: most steps in a call, or `"auto"`: up to 32, as many as 64 MiB
        hold (128 and 8 MiB on an accelerator), and if possible a divisor of the
        shortest distance between stops, so that one length does.
      scheduled: what happens on the host, and when. A `watch` need not stop a call: if
        a call is long enough, it keeps what the watch sees.
      accelerated: whether the steps are made on an accelerator; None for JAX's default.

    Returns:
      The plan.

    Raises:
      TypeError: if `steps_per_call` is neither a word nor an integer.
      ValueError: if it is another word or below 1.
    """
    steps_per_call = check_steps_per_call(steps_per_call)
    if accelerated is None:  # asked late: it starts JAX's devices
        accelerated = jax.default_backend() != "cpu"
    usual = LONGEST_ACCELERATED if accelerated else LONGEST
    most_bytes = CHUNK_BYTES_ACCELERATED if accelerated else CHUNK_BYTES
    if steps_per_call != "auto":
        most_bytes = None

    def longest(stops: Sequence[Scheduled], unit: int, most: int) -> int:
        if steps_per_call != "auto":
            return steps_per_call
        return _find_divisor(stops, unit, min(usual, most))

    # All watches fall on multiples of it; 0 without any.
    unit = math.gcd(*(s.n for s in scheduled if s.kind == "watch" and s.n))
    others = tuple(s for s in scheduled if s.kind != "watch")
    if unit:
        length = longest(others, unit, KEPT * unit)
        # The user may have chosen another length, and one group need not be kept.
        if length % unit == 0 and 2 * unit <= length <= KEPT * unit:
            return Plan(length, others, most_bytes, unit, accelerated)
    stops, length = tuple(scheduled), longest(scheduled, 1, usual)
    return Plan(length, stops, most_bytes, None, accelerated)


def _find_divisor(stops: Sequence[Scheduled], unit: int, most: int) -> int:
    """Finds a multiple of `unit` up to `most` that divides the shortest distance."""
    shortest = min((stop.n for stop in stops if stop.n), default=most)  # or no stop
    most -= most % unit  # the largest multiple of `unit`
    if shortest <= most:  # calls end at each stop anyway
        return shortest - shortest % unit
    # Down to a half: shorter calls cost more than a second length.
    divisors = (k for k in range(most, most // 2, -unit) if shortest % k == 0)
    return next(divisors, most)


def _divide(length: int, most: int) -> int:
    """Finds the longest calls that an epoch consists of, without a rest.

    A rest of one step counts as none, as a shorter last batch is a call of its own. To
    less than a half no call is shortened: shorter ones cost more than a second length.
    """
    if length <= most:
        return max(1, length)
    lengths = [(rest, k) for rest in (0, 1) for k in range(most, most // 2, -1)]
    return next((k for rest, k in lengths if length % k == rest), most)
