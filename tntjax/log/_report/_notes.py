"""Notes below the curves, of all that is not to be seen in them."""

from collections.abc import Iterator, Sequence

import numpy as np

from tntjax.log._report._curves import (
    MOST_MEMBERS,
    X_KEYS,
    Drawing,
    Numbers,
    as_drawn,
    choose_most,
)
from tntjax.log._report._html import Markup, tag
from tntjax.log._report._runs import Run


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
    counts = {key: _count_gaps(found.values) for key, found in drawn.items()}
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


def _count_gaps(values: np.ndarray) -> int:
    return int(np.count_nonzero(np.isnan(as_drawn(values))))
