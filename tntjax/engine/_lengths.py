"""The lengths that a program is compiled for: few, as each costs a compilation."""

from tntjax.engine._plan import Plan, Steps

TAILS = 2
"""Lengths of an epoch's rest for which a program is compiled; others are padded."""

EPOCHS = 2
"""Lengths of an epoch that calls are made to divide."""


class Lengths:
    """Knows the lengths that came first, of all runs of a program."""

    def __init__(self) -> None:
        self._tails: set[int] = set()
        self._epochs: set[int] = set()

    def find_epoch(self, length: int | None) -> int | None:
        """Returns the length of an epoch if calls are to divide it, else None.

        Where each epoch has another length, calls would be compiled anew in each.
        """
        known = length is not None and _is_among(self._epochs, length, EPOCHS)
        return length if known else None

    def find_steps(
        self, plan: Plan, count: int, asked: int, sample_bytes: int, epoch: int | None
    ) -> Steps:
        """Returns what a call does with so many samples.

        Args:
          plan: what the lengths come from.
          count: how many samples there are.
          asked: how many the call had room for.
          sample_bytes: bytes of one.
          epoch: what `find_epoch` returned.
        """
        # Padding takes a loop whose number of steps is not known when it is compiled.
        is_tail = plan.accelerated and count < asked
        exact = is_tail and _is_among(self._tails, count, TAILS)
        return plan.steps(count, sample_bytes, exact, epoch)


def _is_among(first: set[int], length: int, most: int) -> bool:
    if len(first) < most:
        first.add(length)
    return length in first
