"""The texts that meters of translations are given, checked."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tntjax._array import as_mask
from tntjax._struct import describe

Texts = Sequence[str]
References = Sequence[str] | Sequence[Sequence[str]]


def as_texts(
    output: Any, target: Any, mask: Any, count: int, name: str
) -> tuple[list[str], list[list[str]]]:
    """Returns the texts that a mask keeps, and a list of `count` references of each."""
    for value in (output, target):
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise TypeError(f"{name} needs lists of texts, got {describe(value)}.")
    output = list(output)
    given = [
        list(ref) if isinstance(ref, Iterable) and not isinstance(ref, str) else [ref]
        for ref in target
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
    kept = np.ones(len(given), bool)
    if mask is not None:
        kept = np.asarray(as_mask(mask, (len(given),), f"{name}: mask"))
    rows = np.flatnonzero(kept).tolist()
    return [output[row] for row in rows], [given[row] for row in rows]
