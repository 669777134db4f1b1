"""The history of a run: rows of what was measured, which only become more."""

from collections.abc import Iterable
from typing import Any

from tntjax._struct import describe

MOMENT = ("epoch", "t")

Row = dict[str, Any]
"""What was measured at one moment; it has `epoch` and `t`."""


class History:
    """Rows that hooks of the host add to, and which a State sees up to its own moment.

    All States of a run share it, so that its rows are there once.

    Args:
      rows: those to begin with.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows: list[Row] = list(rows)
        self.files: dict[str, Any] = {}
        """The plugin that writes a file."""
        self.epoch_ended = 0.0
        """When the last step of the epoch was over, by `time.perf_counter`."""
        self.ended: Row = {}
        """Fields of the State of that time, which hooks change for the next epoch."""
        self.is_read = False
        """True if a plugin reads at the end of an epoch what others have noted."""
        self.scores: dict[str, str] = {}
        """What the scores in `aux` are of by name, such as the error for "validate"."""
        self._noted: tuple[int, Row] = (0, {})  # the epoch and its values

    def add(self, row: Row) -> None:
        """Adds what was measured now, to the last row if that is of the same moment."""
        if self.ends_at(row):
            self.rows[-1] |= row  # two records of a run make the same one
        else:
            self.rows.append(dict(row))

    def ends_at(self, row: Row) -> bool:
        """True if the last row is of the moment of another one."""
        return any(
            all(last[name] == row[name] for name in MOMENT) for last in self.rows[-1:]
        )

    def note(self, epoch: int, values: Row) -> None:
        """Takes what was measured at the end of an epoch into the row of that epoch."""
        before = self.noted(epoch)
        self._noted = epoch, {**before, **values}

    def noted(self, epoch: int) -> Row:
        """Returns what was noted at the end of an epoch."""
        return self._noted[1] if self._noted[0] == epoch else {}


def rows_until(state: Any) -> list[Row]:
    """Returns the rows of what was done when a State was left."""
    if state.recorded is None:
        return []
    t, epoch = int(state.t), int(state.epoch)
    rows = state.recorded.rows
    # The run that shares them may have gone further since.
    return [row for row in rows if row["t"] <= t and row["epoch"] <= epoch]


def check_rows(what: str, rows: Any) -> None:
    """Raises a TypeError if what comes from a checkpoint is not a list of rows."""
    if rows is None:
        return
    are_rows = isinstance(rows, list) and all(
        isinstance(row, dict) and row.keys() >= {*MOMENT} for row in rows
    )
    if not are_rows:
        raise TypeError(
            f"{what} must be a list of rows with epoch and t, or None, got"
            f" {describe(rows)}."
        )
