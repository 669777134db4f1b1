"""Where the time of an epoch went."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tntjax._struct import describe
from tntjax.engine import Hooks, Seconds, State
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import trust


class Timing(NamedTuple):
    """Where the time of one epoch went.

    Args:
      epoch: how many epochs are done.
      seconds: what the host spent it on.
      updates, samples: how many were made, and how many examples they saw.

    Example:
      >>> print(Timing(1, Seconds(data=0.5, dispatch=0.5, device=1.0), 100, 6400))
      epoch 1: 2.00 s, data 25 %, compile 0 %, dispatch 25 %, device 50 %, hooks 0 %; \
3,200 samples/s
    """

    epoch: int
    seconds: Seconds
    updates: int
    samples: int

    @property
    def total(self) -> float:
        """Returns how many seconds went by."""
        return sum(self.seconds)

    @property
    def samples_per_second(self) -> float:
        """Returns the examples seen per second, compilation included."""
        return self.samples / self.total

    def __str__(self) -> str:
        shares = ", ".join(
            f"{name} {100 * spent / self.total:.0f} %"
            for name, spent in self.seconds._asdict().items()
        )
        return (
            f"epoch {self.epoch}: {self.total:.2f} s, {shares};"
            f" {self.samples_per_second:,.0f} samples/s"
        )


@explain_arguments
def timing(report: Callable[[Timing], Any]) -> Hooks:
    """Reports at the end of each epoch where its time went, without waiting in between.

    Waiting for samples, tracing and compiling, handing work to the device, waiting for
    it, and hooks of the host. Those that run at the end of an epoch count for the next.

    Args:
      report: called with a `Timing`; `timing(print)` prints a line.

    Returns:
      A Hooks value, to be chained with others. It serves one run at a time.

    Raises:
      TypeError: if `report` is not a function.

    Example:
      >>> import tntjax as tnt
      >>> engine = tnt.SGDEngine(tnt.hooks.timing(print))
    """
    if not callable(report):
        raise TypeError(
            f"timing needs a function of a record, got {describe(report)}."
            " timing(print) prints a line for each epoch."
        )
    began: tuple[Seconds, int, int] = Seconds(), 0, 0

    def start(state: State) -> State:
        # Not in `aux`: in a run that is resumed the clock starts anew.
        nonlocal began
        began = _read(state)  # not the State: its parameters would exist twice
        return state

    def end(state: State) -> State:
        (spent, *counts), (earlier, *before) = _read(state), began
        seconds = Seconds(*(b - a for a, b in zip(earlier, spent, strict=True)))
        updates, samples = (b - a for a, b in zip(before, counts, strict=True))
        report(Timing(int(state.epoch), seconds, updates, samples))
        return state

    return Hooks(on_start_epoch=trust(start), on_end_epoch=trust(end))


def _read(state: State) -> tuple[Seconds, int, int]:
    """Returns the seconds spent, and the updates and samples that were counted."""
    return state.seconds or Seconds(), int(state.t), int(state.samples)
