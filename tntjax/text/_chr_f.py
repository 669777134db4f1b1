"""chrF, from sums of the counts that it is made of."""

import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tntjax._numbers import check_at_least
from tntjax._struct import flag, static
from tntjax.meter.parts._count import Count
from tntjax.text._texts import MeterOfTexts

CHARACTERS = 6  # the longest n-grams of characters that are counted
BETA = 2  # how many times as much recall counts as precision


class ChrFMeter(MeterOfTexts):
    """Measures chrF of translated text, on the host: F of n-grams of characters.

    The score is sacreBLEU's, to the last digits, and needs no package.

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
        super().__post_init__()
        check_at_least("ChrFMeter: word_order", self.word_order, 0)
        if self.counts is None:
            vars(self)["counts"] = Count.zeros((3, CHARACTERS + self.word_order))

    def _count(self, texts: list[str], references: list[list[str]]) -> dict[str, Any]:
        total = np.zeros((3, CHARACTERS + self.word_order), np.int64)
        for text, several in zip(texts, references, strict=True):
            mine = self._grams(text)
            found = [_match(mine, self._grams(reference)) for reference in several]
            total += max(found, key=_f_score)
        return {"counts": total}

    def _score(self) -> float:
        return _f_score(self.counts.integers())

    @property
    def signature(self) -> str:
        """A description of how the score was computed, in sacreBLEU's words."""
        case = "lc" if self.lowercase else "mixed"
        test = f"|test:{self.test}" if self.test else ""
        return (
            f"nrefs:{self.num_references}|case:{case}|eff:yes|nc:{CHARACTERS}"
            f"|nw:{self.word_order}|space:no{test}|version:tntjax"
        )

    def _grams(self, text: str) -> list[Counter]:
        """Counts the n-grams of each order, of characters and then of words."""
        text = text.lower() if self.lowercase else text
        kinds = ("".join(text.split()), CHARACTERS), (_split(text), self.word_order)
        return [
            Counter(units[at : at + size] for at in range(len(units) - size + 1))
            for units, orders in kinds
            for size in range(1, orders + 1)
        ]


def _split(text: str) -> Sequence[str]:
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


def _match(mine: list[Counter], others: list[Counter]) -> np.ndarray:
    """Counts n-grams of a text, of its reference and in both, [3, orders]."""
    columns = []
    for left, right in zip(mine, others, strict=True):
        both = sum(min(n, right[gram]) for gram, n in left.items() if gram in right)
        # A text is not to blame where its reference is too short for the order.
        columns.append((left.total() if right else 0, right.total(), both))
    return np.array(columns, np.int64).T


def _f_score(counts: np.ndarray) -> float:
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
