"""The base of meters of translations, and checks of the texts that they are given."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tntjax._array import as_mask
from tntjax._check import require
from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax.meter import Meter
from tntjax.meter.parts._count import Count
from tntjax.text._ids import is_ordered

Texts = Sequence[str]
References = Sequence[str] | Sequence[Sequence[str]]


class MeterOfTexts(Meter):
    """The base of meters of translations: sums of counts, scored in the end.

    A subclass has the fields `num_references` and `n`, those that `_count` counts, and
    a `signature`.
    """

    def __post_init__(self: Any) -> None:
        name = f"{type(self).__name__}: num_references"
        check_at_least(name, self.num_references, 1)

    @abc.abstractmethod
    def _count(self, texts: list[str], references: list[list[str]]) -> dict[str, Any]:
        """Returns what to add to each of the fields."""

    @abc.abstractmethod
    def _score(self) -> float:
        """Computes the score of what was counted."""

    def add(self, output: Texts, target: References, *, mask: Any = None) -> Self:
        """Counts texts in.

        Args:
          output: B translations.
          target: B references, or B lists of `num_references` each.
          mask: [B] bool; False leaves the text out.

        Raises:
          TypeError: if something is not text.
          ValueError: if the numbers of texts differ.
        """
        own: Any = self
        name, count = f"{type(self).__name__}.add", own.num_references
        texts, refs = as_texts(output, target, mask, count, name)
        if not texts:
            return self
        counts = {**self._count(texts, refs), "n": len(texts)}
        added = {k: getattr(self, k) + Count.of(n) for k, n in counts.items()}
        return dataclasses.replace(own, **added)

    def value(self: Any) -> float:
        """Returns the score, a float of 0 to 100; NaN if nothing was added."""
        return self._score() if int(self.n) else float("nan")

    def summary(self: Any) -> dict[str, Any]:
        """Returns the score and its signature."""
        name = type(self).__name__.removesuffix("Meter").lower()
        return {name: self.value(), "signature": self.signature}


def as_texts(
    output: Any, target: Any, mask: Any, count: int, name: str
) -> tuple[list[str], list[list[str]]]:
    """Returns the texts that a mask keeps, and a list of `count` references of each."""
    for value in (output, target):
        needs = f"{name} needs lists of texts"
        require(is_ordered(value), needs, value, error=TypeError)
    output = list(output)
    given = [
        [refs] if isinstance(refs, str) or not is_ordered(refs) else list(refs)
        for refs in target
    ]
    for text in (*output, *(ref for refs in given for ref in refs)):
        if not isinstance(text, str):
            raise TypeError(
                f"{name} needs texts, detokenized; got {describe(text)} among them."
            )
    counts = sorted({len(refs) for refs in given} | {count})
    if len(output) != len(given) or counts != [count]:
        raise ValueError(
            f"{name} needs as many texts as references, and {count} for each; got"
            f" {len(output)} texts and {len(given)} times {counts} references. Of"
            " several references pass a list for each text, and num_references."
        )
    if mask is None:
        return output, given
    kept = np.asarray(as_mask(mask, (len(given),), f"{name}: mask"))
    rows = np.flatnonzero(kept).tolist()
    return [output[row] for row in rows], [given[row] for row in rows]
