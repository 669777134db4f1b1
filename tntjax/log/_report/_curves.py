"""Numbers of a run as curves: few enough to be drawn, with their highs and lows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tntjax.log._report._runs import Run

X_KEYS = ("t", "step", "samples", "epoch")
"""What may be counted along the x axis, the first that there is by default."""

ORDER = {"loss": -1, "lr": 1, "seconds": 2}  # what is drawn first and last

FEWEST_POINTS, MOST_POINTS, MOST_IN_ALL = 100, 4000, 400_000
"""How many points a curve has, and a page, or a few for each curve."""

MOST_MEMBERS = 64  # curves of a family that are drawn


class Numbers(NamedTuple):
    """The numbers of a column, [P] or [P, N] float64, and [P] which rows have them."""

    rows: np.ndarray
    values: np.ndarray


def read_numbers(column: Sequence[Any]) -> Numbers | None:
    """Reads numbers, lists of N numbers, or None for no value; else returns None.

    Example:
      >>> read_numbers([0.5, None, np.nan])
      Numbers(rows=array([0, 2]), values=array([0.5, nan]))
    """
    rows = [number for number, value in enumerate(column) if value is not None]
    try:
        values = np.array([_as_floats(column[row]) for row in rows], np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if values.ndim > 2 or not values.size:
        return None
    return Numbers(np.array(rows), values)


def _as_floats(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [np.nan if part is None else _as_floats(part) for part in value]
    if isinstance(value, str | bool | np.bool_):  # float would read text
        raise TypeError(value)
    return float(value)


class Drawing(NamedTuple):
    """The runs' numbers by key, and where they are drawn.

    Args:
      numbers: for each run the numbers by key.
      x_keys: the keys that may be the x axis, none if rows are counted.
      plots: for each plot its keys, that which names it first.
    """

    numbers: list[dict[str, Numbers]]
    x_keys: list[str]
    plots: dict[str, list[str]]


def arrange(runs: Sequence[Run]) -> Drawing:
    """Finds what is drawn of runs, and what is drawn together.

    A key `validate.loss` is drawn with `loss`, whatever the name before the dot.

    Example:
      >>> arrange([Run("run", {"t": [1], "validate.loss": [2.0], "loss": [1.0]})]).plots
      {'loss': ['loss', 'validate.loss']}
    """
    numbers = []
    for run in runs:
        read = {key: read_numbers(column) for key, column in run.columns.items()}
        numbers.append({key: found for key, found in read.items() if found})
    keys = dict.fromkeys(key for found in numbers for key in found)
    drawn = [key for key in keys if key not in X_KEYS]
    plots: dict[str, list[str]] = {}
    for key in sorted(drawn, key=lambda key: ORDER.get(key, 0)):  # stable
        _, _, inner = key.partition(".")
        plots.setdefault(inner if inner in drawn else key, []).append(key)
    for name, parts in plots.items():
        parts.sort(key=lambda key: key != name)
    x_keys = [
        key
        for key in X_KEYS
        if any(run.columns for run in runs)
        and all(_counts(key, *pair) for pair in zip(runs, numbers, strict=True))
    ]
    return Drawing(numbers, x_keys, plots)


def _counts(key: str, run: Run, numbers: dict[str, Numbers]) -> bool:
    """True if a key rises with the rows of a run."""
    if not run.columns:
        return True
    if key not in numbers or numbers[key].values.ndim > 1:
        return False
    rows, values = numbers[key]
    steps = np.diff(values)
    # All rows of an epoch count as many epochs: they would lie upon each other.
    rises = steps > 0 if key == "epoch" else steps >= 0
    whole = len(rows) == len(run.columns[key])
    return bool(whole and np.isfinite(values).all() and rises.all())


def pick_rows(count: int, most: int) -> np.ndarray:
    """Picks the rows where a curve of `count` points is drawn with at most `most`.

    These are all, or the first, two of each stretch between, and the last.

    Example:
      >>> pick_rows(3, most=6), pick_rows(10, most=6)
      (array([0, 1, 2]), array([0, 1, 3, 5, 7, 9]))
    """
    if count <= most:
        return np.arange(count)
    starts, ends = _stretches(count, most)
    pairs = np.stack([starts, (starts + ends) // 2], -1)
    return np.concatenate([[0], pairs.ravel(), [count - 1]])


def _stretches(count: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    borders = np.linspace(1, count - 1, (most - 2) // 2 + 1).astype(int)
    return borders[:-1], borders[1:]


def thin(values: np.ndarray, most: int) -> np.ndarray:
    """Thins a curve [P], but keeps the lowest and highest of each stretch as they come.

    They stand at `pick_rows(P, most)`, between the first and the last.

    Example:
      >>> thin(np.array([5, 1, 9, 1, 2, 3, 0, 4, 4, 7.0]), most=6)
      array([5., 1., 9., 0., 4., 7.])
    """
    count = len(values)
    if count <= most:
        return values
    starts, ends = _stretches(count, most)
    inner, places = values[1:-1], np.arange(1, count - 1)

    def find(pick: np.ufunc) -> tuple[np.ndarray, np.ndarray]:
        best = pick.reduceat(inner, starts - 1)  # [stretches], NaN left out
        is_best = inner == np.repeat(best, ends - starts)
        first = np.minimum.reduceat(np.where(is_best, places, count), starts - 1)
        return best, first

    (low, low_at), (high, high_at) = find(np.fmin), find(np.fmax)
    low_first = low_at <= high_at
    pairs = np.where(low_first, [low, high], [high, low])  # [2, stretches]
    return np.concatenate([values[:1], pairs.T.ravel(), values[-1:]])


def as_drawn(values: np.ndarray) -> np.ndarray:
    """Converts to float32, with NaN for what is not finite there."""
    with np.errstate(over="ignore"):
        drawn = values.astype(np.float32)
    return np.where(np.isfinite(drawn), drawn, np.float32(np.nan))


def find_median(values: np.ndarray) -> np.ndarray:
    """Finds the medians [P] of a family [P, N], in which NaN is beyond all others."""
    return np.median(np.where(np.isnan(values), np.inf, values), axis=1)


def pick_members(count: int) -> list[int]:
    """Picks the members of a family that are drawn, spread over all."""
    return np.linspace(0, count - 1, min(count, MOST_MEMBERS)).astype(int).tolist()


def choose_most(drawing: Drawing) -> int:
    """Chooses how many points each curve may have, so that pages can be mailed."""
    curves = sum(
        1 if found.values.ndim == 1 else len(pick_members(found.values.shape[1])) + 1
        for numbers in drawing.numbers
        for found in numbers.values()
    )
    share = MOST_IN_ALL // max(curves, 1)
    return max(FEWEST_POINTS, min(MOST_POINTS, share))
