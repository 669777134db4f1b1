"""The curves that the page draws, and notes of what is not to be seen in them."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tntjax.log._report._curves import (
    MOST_MEMBERS,
    X_KEYS,
    Drawing,
    Numbers,
    as_drawn,
    choose_most,
    find_median,
    pick_members,
    pick_rows,
    thin,
)
from tntjax.log._report._html import Markup, tag
from tntjax.log._report._runs import Run


class Blob:
    """Arrays one behind the other, of which equal ones are kept once."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, bytes], list[int]] = {}
        self._bytes = bytearray()

    def add(self, array: np.ndarray) -> list[int]:
        """Adds a float array; returns its place: first byte, length, bytes a number."""
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        key = array.dtype.name, content
        if key not in self._places:
            self._bytes += bytes(-len(self._bytes) % 8)  # each starts at a multiple
            place = [len(self._bytes), len(array), array.dtype.itemsize]
            self._places[key] = place
            self._bytes += content
        return self._places[key]

    def text(self) -> str:
        """Returns all of it as base64."""
        return base64.b64encode(self._bytes).decode()


def make_payload(runs: Sequence[Run], drawing: Drawing) -> tuple[dict[str, Any], str]:
    """Makes the curves, of what JSON has, and base64 of the arrays they point to."""
    blob, most = Blob(), choose_most(drawing)
    plots = []
    for name, keys in drawing.plots.items():
        curves = []
        pairs = zip(runs, drawing.numbers, strict=True)
        for number, (run, numbers) in enumerate(pairs):
            for role, key in enumerate(keys):
                if key in numbers:
                    who = {"run": number, "role": role, "key": key}
                    x = list(map(blob.add, _make_x(numbers, key, drawing.x_keys, most)))
                    for curve, values in _make_curves(run, numbers[key], most):
                        y = blob.add(as_drawn(values))
                        curves.append({**who, **curve, "x": x, "y": y})
        plots.append({"name": name, "curves": curves})
    names = [run.name for run in runs]
    return {"runs": names, "x": drawing.x_keys or ["row"], "plots": plots}, blob.text()


def _make_x(
    numbers: Mapping[str, Numbers], key: str, x_keys: Sequence[str], most: int
) -> list[np.ndarray]:
    """Returns where the points of a key lie on each x axis that there is."""
    rows = numbers[key].rows
    rows = rows[pick_rows(len(rows), most)]
    if not x_keys:
        return [rows.astype(np.float64) + 1]
    return [numbers[x].values[rows] for x in x_keys]


def _make_curves(
    run: Run, numbers: Numbers, most: int
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yields the curve of a column, or the median of a family and its members."""
    values = numbers.values
    if values.ndim == 1:
        curves: list[Any] = [({}, values)]
    else:
        count = values.shape[1]
        curves = [({"family": f"median of {count}"}, find_median(values))]
        curves += [
            ({"member": run.name_member(count, number)}, values[:, number])
            for number in pick_members(count)
        ]
    for what, curve in curves:
        yield what, thin(np.where(np.isfinite(curve), curve, np.nan), most)


def explain_curves(runs: Sequence[Run], drawing: Drawing) -> Iterator[Markup]:
    """Yields a paragraph for each thing that the curves do not show."""
    if not drawing.plots:
        yield tag(
            "p", "No numbers were recorded. Chain tnt.hooks.record() to have some."
        )
    most = choose_most(drawing)
    for run, numbers in zip(runs, drawing.numbers, strict=True):
        for text in _explain_run(run, numbers, most):
            where = f"{run.name}: " if len(runs) > 1 else ""
            yield tag("p", where, text, class_="note")


def _explain_run(run: Run, numbers: dict[str, Numbers], most: int) -> Iterator[str]:
    drawn = {key: found for key, found in numbers.items() if key not in X_KEYS}
    if left_out := [key for key in run.columns if key not in numbers]:
        yield f"Not drawn, as they are not numbers: {', '.join(left_out)}."
    counts = {
        key: np.count_nonzero(np.isnan(as_drawn(found.values)))
        for key, found in drawn.items()
    }
    if gaps := [f"{count:,} of {key}" for key, count in counts.items() if count]:
        yield f"Gaps, where values are NaN or infinite: {', '.join(gaps)}."
    longest = max((len(found.rows) for found in drawn.values()), default=0)
    if longest > most:
        yield (
            f"Of {longest:,} points in a curve {most:,} are drawn: the lowest and the"
            " highest of each stretch, so peaks are there."
        )
    widest = max((found.values[0].size for found in drawn.values()), default=0)
    if widest > MOST_MEMBERS:
        yield f"Of families of {widest:,} curves {MOST_MEMBERS} are drawn."
