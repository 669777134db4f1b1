"""The tables of the page: runs, last values, members, time, configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tntjax._plain import as_plain, summarize
from tntjax.log._report._curves import (
    X_KEYS,
    Drawing,
    Numbers,
    find_median,
    read_numbers,
)
from tntjax.log._report._html import Markup, join, show_number, table, tag
from tntjax.log._report._runs import Run

MOST_ROWS = 256  # members that are listed


def show_runs(runs: Sequence[Run], drawing: Drawing) -> Markup:
    """Shows how far each run went, and how fast."""
    rows = []
    for number, (run, numbers) in enumerate(zip(runs, drawing.numbers, strict=True)):
        done = {key: _find_done(run, numbers, key) for key in ("epoch", "t", "samples")}
        seconds, rate = _find_pace(run, numbers, done["samples"])
        rows.append(
            (
                _show_name(run, number),
                *done.values(),
                None if seconds is None else f"{show_number(round(seconds, 2))} s",
                None if rate is None else show_number(round(rate)),
            )
        )
    head = ("run", "epochs", "updates", "samples", "time", "samples a second")
    return table("Runs", head, rows, class_="runs")


def _show_name(run: Run, number: int) -> Markup:
    swatch = tag("span", class_=f"swatch c{number % 8}")
    members = f" ({run.members} members)" if run.members else ""
    return join([swatch, run.name, members])


def _find_done(run: Run, numbers: Mapping[str, Numbers], key: str) -> Any:
    """Finds how far a run went: its State tells, or its last row."""
    if run.state is not None:
        return as_plain(getattr(run.state, key))
    return numbers[key].values.tolist()[-1] if key in numbers else None


def _find_pace(
    run: Run, numbers: Mapping[str, Numbers], samples: int | None
) -> tuple[float | None, float | None]:
    """Finds how long a run took, and samples a second.

    A State knows the time of its own program alone, a history that of all programs; but
    an epoch that was begun by a program that was killed has none.
    """
    if "seconds" not in numbers:
        spent = getattr(run.state, "seconds", None)
        seconds = None if spent is None else float(sum(spent))
        if not (seconds and samples) or "seconds" in run.columns:
            return seconds, None
        return seconds, samples / seconds
    rows, spent = numbers["seconds"]
    seconds, keys = float(spent.sum()), {"epoch", "samples"} & numbers.keys()
    whole = [numbers[key].values for key in keys if _is_whole(run, numbers[key])]
    if len(whole) < 2:
        return seconds, None
    epoch, done = numbers["epoch"].values, numbers["samples"].values
    known = np.zeros(len(epoch))
    known[rows] = spent
    ends = np.flatnonzero(np.diff(epoch, prepend=0) > 0)
    is_known = (np.diff(epoch[ends], prepend=0) == 1) & (known[ends] > 0)
    made, timed = np.diff(done[ends], prepend=0)[is_known], known[ends][is_known]
    return seconds, float(made.sum() / timed.sum()) if len(timed) else None


def _is_whole(run: Run, found: Numbers) -> bool:
    """True if each row has one number."""
    return found.values.ndim == 1 and len(found.rows) == len(run.columns["seconds"])


def show_last(runs: Sequence[Run], drawing: Drawing) -> Markup:
    """Shows for each key the last value, the lowest and the highest of each run."""
    x = next(iter(drawing.x_keys), None)
    at = f"at {x or 'row'}"
    found = list(map(_find_values, runs, drawing.numbers))
    drawn = (key for keys in drawing.plots.values() for key in keys)
    keys = dict.fromkeys([*drawn, *(key for values in found for key in values)])
    rows = [
        (key, *name, *_find_ends(run, values, key, x))
        for key in keys
        if key not in X_KEYS
        for number, (run, values) in enumerate(zip(runs, found, strict=True))
        if key in values
        for name in [[_show_name(run, number)] if len(runs) > 1 else []]
    ]
    head = ["value", *["run"] * (len(runs) > 1), "last", "lowest", at, "highest", at]
    return table("Last, lowest and highest values", head, rows, class_="last")


def _find_values(run: Run, numbers: Mapping[str, Numbers]) -> Mapping[str, Numbers]:
    """Returns what was recorded, or what meters show if nothing was."""
    if run.columns:
        return numbers
    shown = {
        key if len(parts) == 1 else f"{key}.{part}": read_numbers([value])
        for key, parts in summarize(run.state.meters, run.members).items()
        for part, value in parts.items()
    }
    return {name: value for name, value in shown.items() if value is not None}


def _find_ends(
    run: Run, numbers: Mapping[str, Numbers], key: str, x: str | None
) -> tuple[Any, ...]:
    """Returns the last value, and the lowest and highest with their places.

    Of a family these are those of the last row, and which member has them.
    """
    rows, values = numbers[key]
    if values.ndim > 1:
        values = values[-1]  # [N]
        last = f"{show_number(find_median(values[None]).item())} (median)"
    elif len(values) > 1:
        last = values[-1].item()
    else:
        return values[-1].item(), None, None, None, None

    def show_place(index: int) -> str:
        if numbers[key].values.ndim > 1:
            return run.name_member(len(values), index)
        row = rows[index]
        return show_number(row + 1 if x is None else numbers[x].values[row].item())

    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return last, None, None, None, None
    low, high = finite[values[finite].argmin()], finite[values[finite].argmax()]
    ends = [(values[index].item(), show_place(index)) for index in (low, high)]
    return last, *ends[0], *ends[1]


def show_members(run: Run, drawing: Mapping[str, Numbers]) -> Markup:
    """Lists the last values of each member of a run, of which there are many in one."""
    families = {
        key: found.values[-1]
        for key, found in drawing.items()
        if found.values.ndim > 1 and found.values.shape[1] == run.members
    }
    if not families:
        return Markup()
    columns = zip(
        *(values.tolist()[:MOST_ROWS] for values in families.values()), strict=True
    )
    rows = [(f"member {number}", *values) for number, values in enumerate(columns)]
    title = f"Last values of the members of {run.name}"
    if (run.members or 0) > MOST_ROWS:
        title += f", the first {MOST_ROWS} of {run.members:,}"
    shown = table(title, ("member", *families), rows)
    return tag("details", tag("summary", title), shown)
