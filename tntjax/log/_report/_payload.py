"""The curves that the page draws, as JSON, and their numbers as base64."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tntjax.log._report._curves import (
    Drawing,
    Numbers,
    as_drawn,
    choose_most,
    find_median,
    pick_members,
    pick_rows,
    thin,
)
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
    """Makes what the page draws.

    Args:
      runs: the runs.
      drawing: what is drawn of them.

    Returns:
      The curves, of what JSON has, and the base64 of the arrays that they point to.
    """
    blob, most = Blob(), choose_most(drawing)
    plots = []
    for name, keys in drawing.plots.items():
        curves = []
        for number, (run, numbers) in enumerate(
            zip(runs, drawing.numbers, strict=True)
        ):
            for role, key in enumerate(keys):
                if key in numbers:
                    who = {"run": number, "role": role, "key": key}
                    x = _make_x(run, numbers, key, drawing.x_keys, most)
                    places = [blob.add(values) for values in x]
                    for curve, values in _make_curves(run, numbers[key], most):
                        y = blob.add(as_drawn(values))
                        curves.append({**who, **curve, "x": places, "y": y})
        plots.append({"name": name, "curves": curves})
    names = [run.name for run in runs]
    return {"runs": names, "x": drawing.x_keys or ["row"], "plots": plots}, blob.text()


def _make_x(
    run: Run, numbers: Mapping[str, Numbers], key: str, x_keys: Sequence[str], most: int
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
        yield {}, _thin_finite(values, most)
        return
    yield (
        {"family": f"median of {values.shape[1]}"},
        _thin_finite(find_median(values), most),
    )
    for number in pick_members(values.shape[1]):
        yield (
            {"member": run.name_member(values.shape[1], number)},
            _thin_finite(values[:, number], most),
        )


def _thin_finite(values: np.ndarray, most: int) -> np.ndarray:
    return thin(np.where(np.isfinite(values), values, np.nan), most)
