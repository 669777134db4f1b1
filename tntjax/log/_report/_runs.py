"""The runs that a report is about, in whatever form they come."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tntjax._files import as_place
from tntjax._json import read_json_line
from tntjax._plain import as_columns, as_plain
from tntjax._struct import describe
from tntjax.log._file import is_table
from tntjax.log._table import find_delimiter, read_field, split_table

FORMS = """a State that train returned, a dict of columns such as state.history, a \
list of rows, or the name of a file that tnt.hooks.record wrote"""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run to report: its name, what was recorded, and the State at its end, if any.

    Columns are lists of one length by key.
    """

    name: str
    columns: dict[str, list[Any]]
    state: Any = None

    @property
    def members(self) -> int | None:
        """Returns how many runs there are in this one, if it tells."""
        losses = (x for x in self.columns.get("loss", ()) if x is not None)
        shape = np.shape(next(losses, 0))
        known = getattr(self.state, "members", None)
        return shape[0] if known is None and len(shape) == 1 else known

    def name_member(self, count: int, number: int) -> str:
        """Names one of `count` numbers that were recorded together."""
        return f"{'member' if count == self.members else 'entry'} {number}"


def read_runs(runs: tuple[Any, ...], named: Mapping[str, Any]) -> list[Run]:
    """Reads all runs, also of dicts of runs by name, and names those that have none."""
    given = [*_name_runs(runs), *named.items()]
    if not given:
        raise ValueError(f"report needs a run: {FORMS}.")
    names = [name for name, _ in given]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"report needs a name for each run, got {twice[0]!r} twice. Write"
            " report(path, {'one': run, 'other': run})."
        )
    return [_read_run(name, run) for name, run in given]


def _name_runs(runs: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    lone = len(runs) == 1
    for number, run in enumerate(runs, start=1):
        if isinstance(run, Mapping) and run and all(map(_is_run, run.values())):
            yield from ((str(name), one) for name, one in run.items())
        elif isinstance(run, str | os.PathLike):
            yield os.path.splitext(os.path.basename(os.fsdecode(run)))[0], run
        else:
            yield "run" if lone else f"run {number}", run


def _is_run(value: Any) -> bool:
    """True if a value has the form of a run, which a column has not."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return isinstance(value, str | os.PathLike | Mapping) or _is_state(value)


def _is_state(value: Any) -> bool:
    return hasattr(value, "meters") and hasattr(value, "seconds")


def _read_run(name: str, run: Any) -> Run:
    state = run if _is_state(run) else None
    if state is not None:
        columns = getattr(state, "history", None) or {}
    elif isinstance(run, Mapping):
        columns = run
    elif isinstance(run, str | os.PathLike):
        filename = as_place(run, f"report: {name!r}")
        read = _read_table if is_table(filename) else _read_lines
        columns = as_columns(read(filename))
    elif _is_run(run) or (isinstance(run, list) and not run):
        columns = as_columns(run)
    else:
        raise TypeError(f"report: {name!r} must be {FORMS}; got {describe(run)}.")
    columns = _check_columns(name, columns)
    if not any(columns.values()) and not getattr(state, "meters", None):
        raise ValueError(
            f"report: {name!r} has nothing to show. Chain tnt.hooks.record(), which"
            " keeps what is measured, to the hooks of the engine."
        )
    return Run(name, columns, state)


def _check_columns(name: str, columns: Mapping[Any, Any]) -> dict[str, list[Any]]:
    """Returns columns of plain values, after checking that they are as long."""
    for key, column in columns.items():
        if isinstance(column, str) or not np.iterable(column):
            raise TypeError(
                f"report: the column {key!r} of {name!r} must be a list of values, one"
                f" a row, got {describe(column)}."
            )
    plain = {str(key): as_plain(list(column)) for key, column in columns.items()}
    lengths = {key: len(column) for key, column in plain.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"report: columns of {name!r} must have one length, got {lengths}. Where a"
            " row has no value put None."
        )
    return plain


def _read_lines(filename: str) -> list[dict[str, Any]]:
    with open(filename, encoding="utf-8", errors="replace") as file:
        lines = file.readlines()
    if lines and not lines[-1].endswith("\n") and _parse(lines[-1]) is None:
        lines.pop()  # the run was killed, or is about to write the rest
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = _parse(line)
            if row is None:
                raise ValueError(
                    f"report needs a file with an object of JSON on each line, as"
                    f" tnt.hooks.record(file) writes it; line {number} of"
                    f" {filename!r} is {describe(line.strip()[:60])}."
                )
            rows.append(row)
    return rows


def _read_table(filename: str) -> list[dict[str, Any]]:
    with open(filename, encoding="utf-8", errors="replace", newline="") as file:
        text = file.read()
    names, *records = split_table(text, find_delimiter(filename)) or [[]]
    if not text.endswith("\n") and records and len(records[-1]) < len(names):
        records.pop()  # the run was killed, or is about to write the rest
    for number, fields in enumerate(records, start=1):
        if len(fields) != len(names):
            raise ValueError(
                f"report needs a table whose rows have the {len(names)} fields of its"
                f" first line; row {number} of {filename!r} has {len(fields)}."
            )
    return [dict(zip(names, map(read_field, row), strict=True)) for row in records]


def _parse(line: str) -> dict[str, Any] | None:
    try:
        return read_json_line(line)
    except ValueError:
        return None
