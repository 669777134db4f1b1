"""ParallelText: lines of two files that say the same."""

from bisect import bisect_right
from typing import Any

import numpy as np

from tntjax._check import check_choice
from tntjax._struct import Opaque, child, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.text._line import LineDataset

NEAR = 2  # lines that are shown before and after the place where two texts part


@pytree
class ParallelText(IndexMap):
    r"""Pairs of lines: line i of one text and line i of its translation.

    Args:
      input: a file or several, or a `LineDataset`.
      target: the same of the translation.
      empty: "keep" pairs of which a line is empty, so that indices are the numbers of
        lines, or "drop" them, from both sides at once.
      cache, errors: as those of `LineDataset`.

    Raises:
      FileNotFoundError, TypeError: if a file is not there, or a text is neither.
      ValueError: if the texts have unequal numbers of lines; it shows where they part.

    Example:
      >>> import pathlib, tempfile
      >>> folder = pathlib.Path(tempfile.mkdtemp())
      >>> _ = (folder / "x.en").write_text("good day\n\nyes\n")
      >>> _ = (folder / "x.es").write_text("buenos días\n\nsí\n", "utf-8")
      >>> pairs = ParallelText(folder / "x.en", folder / "x.es", empty="drop")
      >>> len(pairs), pairs[1]
      (2, {'input': 'yes', 'target': 'sí'})

    Purpose: translation.
    """

    input: Any = child(Opaque)
    target: Any = child(Opaque)
    empty: str = static(default="keep")
    cache: Any = static(default=None)
    errors: str = static(default="strict")
    before: Any = child(Opaque, init=False)  # pairs kept before each that is dropped

    def __post_init__(self) -> None:
        check_choice("ParallelText", "empty", self.empty, ("keep", "drop"))
        for side in ("input", "target"):
            if not isinstance(text := getattr(self, side), LineDataset):
                vars(self)[side] = LineDataset(text, self.cache, self.errors)
        if len(self.input) != len(self.target):
            raise ValueError(_show_parting(self.input, self.target))
        dropped = np.zeros(0, np.int64)
        if self.empty == "drop":
            full = (_sizes(self.input) > 0) & (_sizes(self.target) > 0)
            dropped = np.flatnonzero(~full)
        vars(self)["before"] = dropped - np.arange(len(dropped))

    def __len__(self) -> int:
        return len(self.input) - len(self.before)

    def _get(self, index: int) -> Sample:
        row = index + bisect_right(self.before, index)
        mine, other = self.input._get(row), self.target._get(row)
        return {"input": mine["text"], "target": other["text"]}


def _show_parting(input: LineDataset, target: LineDataset) -> str:
    """Shows the lines near where two texts of unequal counts part."""
    place, shown = _find_parting(_sizes(input), _sizes(target)), []
    for name, text in (("input", input), ("target", target)):
        shown.append(f"{name}, {len(text)} lines, {', '.join(text.paths)}:")
        near = range(max(0, place - NEAR), min(len(text), place + NEAR + 1))
        shown += [f"  {i + 1}: {text.read_bytes(i)[:70]!r}" for i in near]
    return (
        "ParallelText needs as many lines on both sides. By their lengths they seem to"
        f" part near line {place + 1}:\n" + "\n".join(shown) + "\nA tool that also"
        " splits at \\r, U+0085 or U+2028 makes such files: take those of the archive."
    )


def _sizes(text: LineDataset) -> np.ndarray:
    return np.concatenate([file.sizes() for file in text.files.files])


def _find_parting(mine: np.ndarray, others: np.ndarray) -> int:
    """Finds the line where skipping what one has too much fits the lengths best."""
    # Lengths differ by a factor.
    short, long = (np.log1p(sizes) for sizes in sorted((mine, others), key=len))
    gap = len(long) - len(short)
    if not len(short):
        return 0
    before = np.abs(short - long[: len(short)])  # pairs if nothing is skipped yet
    after = np.abs(short - long[gap:])  # if all was
    cost = np.cumsum(before - after)  # of parting behind each line
    best = int(np.argmin(cost))
    return best + 1 if cost[best] < 0 else 0
