"""Confusion matrices, as tables with coloured cells."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tntjax._plain import as_plain
from tntjax._struct import describe
from tntjax.log._report._html import (
    Markup,
    escape,
    join,
    scroll,
    show_number,
    table,
    tag,
)
from tntjax.log._report._runs import Run

MOST_CLASSES = 40  # of a matrix that is shown whole
MOST_MATRICES = 16  # of members
MOST_MISTAKES = 10


def show_matrices(runs: Sequence[Run], classes: Sequence[str] | None) -> Markup:
    """Shows all confusion matrices that were metered or recorded.

    Raises:
      ValueError: if there are as many classes in no matrix.
    """
    found = [(run, key, m) for run in runs for key, m in _find_matrices(run)]
    if classes is not None and found:
        sizes = sorted({len(matrix) for _, _, matrix in found})
        if len(classes) not in sizes:
            raise ValueError(
                f"report: classes must name the {sizes[0]} classes of the confusion"
                f" matrix, got {len(classes)}: {describe(classes)}."
            )
    return join(
        _show_matrix(f"{key} of {run.name}" if len(runs) > 1 else key, matrix, classes)
        for run, key, matrix in found
    )


def _find_matrices(run: Run) -> Iterator[tuple[str, np.ndarray]]:
    """Yields square matrices by key: of meters, and the last of those in columns."""
    last = {key: column[-1] for key, column in run.columns.items() if column}
    meters = getattr(run.state, "meters", None) or {}
    classes = {key: getattr(meter, "num_classes", 0) for key, meter in meters.items()}
    last |= {key: meters[key].value() for key in meters if classes[key]}
    for key, value in last.items():
        matrix = _as_matrix(as_plain(value))
        if matrix is None:
            continue
        if matrix.ndim == 2 and classes.get(key, len(matrix)) == len(matrix):
            yield key, matrix
        elif matrix.ndim == 3 and len(matrix) == run.members:
            for number, one in enumerate(matrix[:MOST_MATRICES]):
                yield f"{key}, member {number}", one


def _as_matrix(value: Any) -> np.ndarray | None:
    if not isinstance(value, list | np.ndarray):
        return None
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError):
        return None
    shape = matrix.shape
    return matrix if len(shape) in (2, 3) and shape[-1] == shape[-2] > 1 else None


def _show_matrix(
    title: str, matrix: np.ndarray, classes: Sequence[str] | None
) -> Markup:
    size, totals = len(matrix), matrix.sum(1)  # [K]
    named = classes if classes is not None and len(classes) == size else range(size)
    names = list(map(str, named))
    shares = matrix / np.where(totals > 0, totals, 1)[:, None]  # [K, K]
    right, n = np.trace(matrix), matrix.sum()
    accuracy = f"{100 * right / n:.2f} % right" if n else "nothing counted"
    parts = [tag("h3", title), tag("p", f"{accuracy}: on the diagonal.")]
    if size <= MOST_CLASSES:
        parts.append(_show_cells(title, matrix, shares, names))
    if size > 5:
        parts.append(_show_mistakes(title, matrix, shares, names))
    return tag("div", *parts, class_="matrix")


def _show_cells(
    title: str, matrix: np.ndarray, shares: np.ndarray, names: list[str]
) -> Markup:
    """Makes a table; a cell's colour is its share of the row. Short, as it is long."""
    numbers = [[show_number(cell) for cell in row] for row in matrix.tolist()]
    rows = []
    for row, name in enumerate(names):
        cells = "".join(map(_show_cell, shares[row], numbers[row]))
        found = f"<td class=found>{100 * shares[row, row]:.1f} %"
        rows.append(f"<tr><th scope=row>{escape(name)}{cells}{found}")
    heads = "".join(f"<th scope=col>{escape(name)}" for name in (*names, "found"))
    label = f"Confusion matrix {title}: rows are targets, columns predictions"
    inside = Markup(
        f"<caption>{escape(label)}</caption>"
        f"<thead><tr><th scope=col>target \\ predicted{heads}</thead>"
        f"<tbody>{''.join(rows)}</tbody>"
    )
    return scroll(label, tag("table", inside, class_="cells"))


def _show_cell(share: float, number: str) -> str:
    if share < 0.005:
        return f"<td>{number}"
    dark = " class=dark" if share > 0.5 else ""
    return f'<td style="--s:{share:.2f}"{dark}>{number}'


def _show_mistakes(
    title: str, matrix: np.ndarray, shares: np.ndarray, names: list[str]
) -> Markup:
    """Lists the cells off the diagonal that have most."""
    wrong = matrix * (1 - np.eye(len(matrix)))
    order = np.argsort(-wrong.ravel(), kind="stable")[:MOST_MISTAKES]
    rows = [
        (names[t], names[p], float(matrix[t, p]), f"{100 * shares[t, p]:.1f} %")
        for t, p in zip(*np.unravel_index(order, matrix.shape), strict=True)
        if wrong[t, p] > 0
    ]
    head = ("target", "taken for", "count", "of the target")
    shown = table(f"Most frequent mistakes in {title}", head, rows)
    return tag("details", tag("summary", "Most frequent mistakes"), shown)
