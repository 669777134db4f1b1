"""The base of meters of errors between sequences of words, characters or phones."""

import abc
import dataclasses
from collections.abc import Hashable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import describe
from tntjax.meter import Meter
from tntjax.meter._meter import in_percent
from tntjax.meter.parts._count import Count


class MeterOfErrors(Meter):
    """The base of meters of edits: sums of edits over sums of lengths, on the host.

    Args:
      edits: substitutions, deletions and insertions, the fewest of each pair.
      length: entries of the targets.
      n: pairs.
    """

    edits: Count = Count()
    length: Count = Count()
    n: Count = Count()

    @abc.abstractmethod
    def _split(self, text: Any) -> Sequence[Hashable]:
        """Splits one output or target into what is compared."""

    @property
    def signature(self) -> str:
        """Describes all that the rate depends on, to be told with it."""
        return "|".join([type(self).__name__.removesuffix("Meter"), *self._terms()])

    @abc.abstractmethod
    def _terms(self) -> list[str]:
        """Returns what the rate is of, and how it was prepared."""

    def add(
        self,
        output: Sequence[Any],
        target: Sequence[Any],
        *,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Counts pairs in.

        Args:
          output: B outputs, or one if it is a string.
          target: B targets.
          mask: [B] bool; False leaves a pair out.

        Returns:
          The new meter.

        Raises:
          TypeError: if one of the two is a string and the other is not.
          ValueError: if they are not equally many.
        """
        name = f"{type(self).__name__}.add"
        if isinstance(output, str) != isinstance(target, str):
            raise TypeError(
                f"{name} needs two strings or two lists, got {describe(output)} and"
                f" {describe(target)}."
            )
        if isinstance(output, str):
            output, target = [output], [target]
        if len(output) != len(target):
            raise ValueError(
                f"{name} needs an output for each target, got {len(output)} and"
                f" {len(target)}."
            )
        seen = np.ones(len(target), bool) if mask is None else np.asarray(mask)
        if seen.dtype != bool or seen.shape != (len(target),):
            raise ValueError(f"{name} needs mask bool[{len(target)}].")
        rows = [
            (self._split(said), self._split(right))
            for said, right, kept in zip(output, target, seen, strict=True)
            if kept
        ]
        return dataclasses.replace(
            self,
            edits=self.edits + Count.of(sum(count_edits(*row) for row in rows)),
            length=self.length + Count.of(sum(len(right) for _, right in rows)),
            n=self.n + Count.of(len(rows)),
        )

    def value(self) -> Any:
        """Returns the rate in percent, which may be above 100.

        Of targets that are all empty it is 0 if the outputs are, too, else infinite.

        Returns:
          A float, NaN if nothing was counted.
        """
        edits, length = self.edits.floats(), self.length.floats()
        nothing = (length == 0) & (edits == 0) & (self.n.floats() > 0)
        return np.where(nothing, 0.0, 100 * edits / length)

    def summary(self) -> dict[str, Any]:
        """Returns the rate in percent and the signature."""
        return {"rate": in_percent(self.value()), "signature": self.signature}


def describe_normalizer(normalize: Any) -> str:
    """Names a function in a signature."""
    name = "none" if normalize is None else getattr(normalize, "__qualname__", "?")
    return f"normalize:{name}"


def count_edits(output: Sequence[Hashable], target: Sequence[Hashable]) -> int:
    """Counts the fewest substitutions, deletions and insertions between sequences.

    By rapidfuzz where it is installed.
    """
    if find_spec("rapidfuzz"):
        distance = import_module("rapidfuzz.distance")
        return distance.Levenshtein.distance(output, target)
    return count_edits_plainly(output, target)


def count_edits_plainly(output: Sequence[Hashable], target: Sequence[Hashable]) -> int:
    """Counts edits with NumPy: a row of Wagner and Fischer's table for each entry."""
    numbers: dict[Hashable, int] = {}
    ids = np.array([numbers.setdefault(entry, len(numbers)) for entry in target])
    columns = np.arange(len(target) + 1)
    row = columns
    for step, entry in enumerate(output, start=1):
        changed = row[:-1] + (ids != numbers.get(entry, -1))
        best = np.concatenate([[step], np.minimum(changed, row[1:] + 1)])
        row = np.minimum.accumulate(best - columns) + columns  # insertions
    return int(row[-1])
