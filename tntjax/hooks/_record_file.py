"""The file of a record: lines of JSON, or rows of a table whose columns become more."""

import dataclasses
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from tntjax._files import as_place
from tntjax._json import as_json_line, as_json_text, read_json_line
from tntjax._plain import as_plain
from tntjax.engine import State
from tntjax.engine._around import Source
from tntjax.engine._carry import read_shortest
from tntjax.engine._history import MOMENT, Row
from tntjax.log._file import Output, check_form, is_table, open_output
from tntjax.log._table import find_delimiter, join_fields, read_field, split_table

Lines = list[tuple[str, Row | None]]
"""Lines of a file, and the rows in there; None if one is not whole."""


class Form(Protocol):
    """A way to write rows."""

    def read(self, text: str) -> Lines | None:
        """Reads a file; None if it is of something else."""
        ...

    def head(self) -> str:
        """Returns what is before the lines."""
        ...

    def write(self, row: Row, output: Output) -> None:
        """Writes a line."""
        ...


class RecordFile:
    """A file with the rows of a run, each once.

    Args:
      filename: a table if it ends as the name of one, else lines of JSON.
    """

    def __init__(self, filename: str | os.PathLike) -> None:
        self._filename = as_place(filename, "record: where")
        in_table = is_table(self._filename)
        check_form("record", "CSV" if in_table else "JSON", self._filename)
        delimiter = find_delimiter(self._filename)
        self._form: Form = _Table(delimiter) if in_table else _JsonLines()
        self._output: Output | None = None

    def load(self, state: State, source: Source) -> None:
        """Empties the file, or drops what the run will do again."""
        if not state.training:
            return
        history, goes_on = state.recorded, source != "start"
        if history.files.setdefault(self._filename, self) is not self:
            raise ValueError(f"two hooks record into {self._filename}: chain one.")
        text = _read(self._filename) if goes_on else ""
        rows = self._drop_others(text, history.rows, int(state.t), int(state.epoch))
        self._output = open_output("record", None, self._filename, append=goes_on)
        if not rows:
            for row in history.rows:  # of a run that had another file, or none
                self.write(row)
        elif not history.rows:
            history.rows = rows

    def _drop_others(
        self, text: str, known: list[Row], t: int, epoch: int
    ) -> list[Row]:
        """Drops lines of what a history does not have; returns the rows of the others.

        These are of what the run will do again, and of where it was stopped.
        """
        lines = self._form.read(text)
        if lines is None:
            raise ValueError(
                f"{self._filename} has no rows of a run. Record into another file."
            )
        moments = {_moment(row) for row in known}

        def is_before(row: Row) -> bool:
            try:
                fits = row["t"] <= t and row["epoch"] <= epoch
                return fits and (not moments or _moment(row) in moments)
            except (KeyError, TypeError):
                return False

        kept = {line: row for line, row in lines if row and is_before(row)}
        if text != (new := "".join([self._form.head(), *kept])):
            _replace(self._filename, new)
        return list(kept.values())

    def write(self, row: Row) -> None:
        """Writes a line; a disk that is full is told of once."""
        assert self._output is not None, "load comes first"
        self._form.write(row, self._output)


def _moment(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in MOMENT)


def _read(filename: str) -> str:
    if not os.path.isfile(filename):  # a device or a pipe may have no end
        return ""
    with open(filename, encoding="utf-8", errors="replace", newline="") as file:
        return file.read()


def _replace(filename: str, text: str) -> None:
    """Writes a file anew: whole, or not at all."""
    filename = os.path.realpath(filename)  # a link stays one
    rest = f"{filename}.part"
    with open(rest, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(rest, filename)


class _JsonLines:
    """Objects of JSON, one a line."""

    def read(self, text: str) -> Lines | None:
        """Reads objects."""
        lines = io.StringIO(text).readlines()
        if lines and not any(line.startswith("{") for line in lines):
            return None
        return [(line, _read_object(line)) for line in lines]

    def head(self) -> str:
        """Returns nothing."""
        return ""

    def write(self, row: Row, output: Output) -> None:
        """Writes an object."""
        output.write(as_json_line(row, "record"))


def _read_object(line: str) -> Row | None:
    try:
        return read_json_line(line) if line.endswith("\n") else None
    except ValueError:  # killed while it was written
        return None


class _Table:
    """A table, whose first line names the columns.

    A row with names that are new has the file written anew, with more columns: those
    before have empty fields there. That happens at the first update and the first
    epoch that are recorded, so hardly ever.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._columns: list[str] = []

    def read(self, text: str) -> Lines | None:
        """Reads rows, numbers as numbers."""
        whole = text[: text.rfind("\n") + 1]  # the rest was cut off
        self._columns, *records = split_table(whole, self._delimiter) or [[]]
        if text and not {*MOMENT} <= {*self._columns}:
            return None if "\n" in text else []  # killed while it was written
        width = len(self._columns)
        lines = []
        for fields in records:
            row = dict(zip(self._columns, map(read_field, fields), strict=False))
            lines.append((self._join(fields), row if len(fields) == width else None))
        return lines

    def head(self) -> str:
        """Returns the names of the columns."""
        return self._join(self._columns) if self._columns else ""

    def write(self, row: Row, output: Output) -> None:
        """Writes a row; what has several numbers, as of members, has a column each."""
        fields, known = dict(_as_fields(row)), {*self._columns}  # of members, thousands
        new = [name for name in fields if name not in known]
        if new:
            self._widen(new, output)
        line = self._join([fields.get(name) for name in self._columns])
        dataclasses.replace(output, head=self.head()).write(line[:-1])

    def _widen(self, new: list[str], output: Output) -> None:
        filename = output.filename or ""
        try:
            _, *records = split_table(_read(filename), self._delimiter) or [[]]
            columns = [*self._columns, *new]
            if records:
                wide = [columns, *(fields + [""] * len(new) for fields in records)]
                _replace(filename, "".join(map(self._join, wide)))
            self._columns = columns
        except OSError as error:
            output.lost.tell(f"there is no room for columns {new}: {error}")

    def _join(self, fields: Sequence[Any]) -> str:
        return join_fields(fields, self._delimiter) + "\n"


def _as_fields(row: Row) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biufU":
            for place, entry in np.ndenumerate(value):
                yield ".".join([name, *map(str, place)]), as_plain(read_shortest(entry))
        elif isinstance(value, str | bool | int | float | None):
            yield name, value
        else:
            yield name, as_json_text(value, f"record: the value of {name!r}")
