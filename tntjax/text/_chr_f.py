"""chrF, from sums of the counts that it is made of."""

import dataclasses
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tntjax._numbers import check_at_least
from tntjax._struct import flag, static
from tntjax.meter import Meter
from tntjax.meter.parts._count import Count
from tntjax.text._texts import References, Texts, as_texts

CHARACTERS = 6
"""The longest n-grams of characters that are counted."""

BETA = 2
"""How many times as much recall counts as precision."""


class ChrFMeter(Meter):
    """Measures chrF of translated text, on the host: F of n-grams of characters.

    Sums of counts are kept and the score is computed in the end, as in `BLEUMeter`. It
    is sacreBLEU's, to the last digits, and needs no package.

    Args:
      word_order: the longest n-grams of words that are counted too: 2 is chrF++.
      lowercase: whether case is ignored.
      num_references: how many references each text has; the best one counts.
      test: what the test set is; the signature shows it.
      counts: [3, 6 + word_order] counts of n-grams of the texts, of the references, and
        in both.
      n: how many texts were added.

    Raises:
      ValueError: if a number is too small.

    Example:
      >>> round(ChrFMeter().add(["the cat sat"], ["the cat sits"]).value(), 2)
      61.03

    Source: Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015.
    """

    word_order: int = static(default=0)
    lowercase: bool = flag(default=False)
    num_references: int = static(default=1)
    test: str | None = static(default=None)
    counts: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        check_at_least("ChrFMeter: num_references", self.num_references, 1)
        check_at_least("ChrFMeter: word_order", self.word_order, 0)
        if self.counts is None:
            vars(self)["counts"] = Count.zeros((3, CHARACTERS + self.word_order))

    def add(self, output: Texts, target: References, *, mask: Any = None) -> Self:
        """Counts texts in.

        Args:
          output: B translations.
          target: B references, or B lists of `num_references` each.
          mask: [B] bool; False leaves the text out.

        Returns:
          The new meter.

        Raises:
          TypeError: if something is not text.
          ValueError: if the numbers of texts differ.
        """
        name, count = "ChrFMeter.add", self.num_references
        texts, references = as_texts(output, target, mask, count, name)
        total = np.zeros((3, CHARACTERS + self.word_order), np.int64)
        for text, several in zip(texts, references, strict=True):
            mine = self._grams(text)
            found = [_match(mine, self._grams(reference)) for reference in several]
            total += max(found, key=_score)
        n = self.n + Count.of(len(texts))
        return dataclasses.replace(self, counts=self.counts + Count.of(total), n=n)

    def value(self) -> float:
        """Returns the score, a float of 0 to 100; NaN if nothing was added."""
        return _score(self.counts.integers()) if int(self.n) else float("nan")

    @property
    def signature(self) -> str:
        """A description of how the score was computed, in sacreBLEU's words."""
        case = "lc" if self.lowercase else "mixed"
        test = f"|test:{self.test}" if self.test else ""
        return (
            f"nrefs:{self.num_references}|case:{case}|eff:yes|nc:{CHARACTERS}"
            f"|nw:{self.word_order}|space:no{test}|version:tntjax"
        )

    def summary(self) -> dict[str, Any]:
        """Returns the score and its signature."""
        return {"chrf": self.value(), "signature": self.signature}

    def _grams(self, text: str) -> list[Counter]:
        """Counts the n-grams of each order, of characters and then of words."""
        text = text.lower() if self.lowercase else text
        letters, words = "".join(text.split()), _split(text)
        grams = [_count(letters, size + 1) for size in range(CHARACTERS)]
        return grams + [_count(words, size + 1) for size in range(self.word_order)]


def _split(text: str) -> tuple[str, ...]:
    """Splits text at blanks, and off a word one mark, its last or else its first."""
    parts = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            parts += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            parts += [word[0], word[1:]]
        else:
            parts.append(word)
    return tuple(parts)


def _count(units: Sequence, size: int) -> Counter:
    return Counter(units[at : at + size] for at in range(len(units) - size + 1))


def _match(mine: list[Counter], others: list[Counter]) -> np.ndarray:
    """Counts n-grams of a text, of its reference and in both, [3, orders]."""
    columns = []
    for left, right in zip(mine, others, strict=True):
        both = sum(min(n, right[gram]) for gram, n in left.items() if gram in right)
        # A text is not to blame where its reference is too short for the order.
        columns.append((sum(left.values()) if right else 0, sum(right.values()), both))
    return np.array(columns, np.int64).T


def _score(counts: np.ndarray) -> float:
    """Computes F of the means over orders, of those that both have."""
    there = (counts[0] > 0) & (counts[1] > 0)
    if not there.any():
        return 0.0
    mine, others, both = counts[:, there].astype(np.float64)
    precision, recall = np.mean(both / mine), np.mean(both / others)
    if not precision + recall:
        return 0.0
    share = (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
    return float(100 * share)
