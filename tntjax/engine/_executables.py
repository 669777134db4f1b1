"""The executables of a step that a run compiles, found without running it."""

from typing import NamedTuple

from tntjax._types import SampleIterator
from tntjax.engine._lengths import Lengths
from tntjax.engine._plan import Plan, Steps

EPOCHS = 3
"""Epochs that are looked at: with an `every` calls end elsewhere in each."""

MOST = 100_000
"""Calls that are looked at."""


class _Epoch(NamedTuple):
    """Tells about an epoch, as far as its iterator knows.

    Args:
      samples: how many it has, None if that is not known.
      alike: how many of them come first and are alike, None if that is not known.
      sample_bytes: bytes of the first one.
    """

    samples: int | None
    alike: int | None
    sample_bytes: int


def describe_executables(plan: Plan, iterator: SampleIterator) -> list[str]:
    """Returns lines about an epoch of an iterator, which reads its first sample.

    Args:
      plan: the plan of a run.
      iterator: what the run trains on.
    """
    samples, alike, size = _look_at(iterator)
    if samples is None:
        return ["How many samples an epoch has is not known before it ends."]
    if not samples:
        return ["An epoch has no samples."]
    calls, found = _follow(plan, samples, alike, size)
    return [
        f"An epoch of {_count(samples, 'sample')} takes {_count(calls, 'call')}.",
        f"Executables of the step: {len(found)} ({', '.join(found)}).",
    ]


def _look_at(iterator: SampleIterator) -> _Epoch:
    """Reads the first sample of an iterator, and how many there are."""
    seen: list[tuple[int, int | None]] = []

    def room(position: int, sample_bytes: int, length: int | None = None) -> int:
        seen.append((sample_bytes, length))
        return 1  # the first sample tells of all

    try:
        samples = len(iterator)  # pyright: ignore[reportArgumentType]
    except TypeError:  # a filter, or an iterator of the user's without len
        samples = None
    next(iter(iterator.chunks(0, 0, room)), None)
    size, alike = seen[0] if seen else (0, None)
    return _Epoch(samples, alike, size)


def _follow(
    plan: Plan, samples: int, alike: int | None, sample_bytes: int
) -> tuple[int, list[str]]:
    """Returns the number of calls in the first epoch, and what some epochs run."""
    lengths, found = Lengths(), dict[str, None]()
    epoch_length = lengths.find_epoch(alike)
    # As `Epoch` would: the same plan, lengths and positions, and no sample read.
    first = calls = 0
    for epoch in range(EPOCHS):
        position = 0
        while position < samples and calls < MOST:
            t, is_last = epoch * samples + position, position >= (alike or samples)
            asked = plan.room(t, sample_bytes, epoch_length)
            end = samples if is_last else alike or samples  # no chunk mixes both
            count = min(asked, end - position)
            steps = lengths.find_steps(plan, count, asked, sample_bytes, epoch_length)
            found[_name(steps, is_last)] = None  # a set that keeps its order
            position, calls = position + count, calls + 1
        first = first or calls  # those of the first epoch
    return first, list(found)


def _name(steps: Steps, is_last: bool) -> str:
    most = "up to " * steps.counted
    shape = " of a last batch" * is_last
    return f"{most}{_count(steps.length, 'step')}{shape}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
