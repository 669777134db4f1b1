"""Rows of fields as the lines of a table, and back."""

import contextlib
import csv
import io
from collections.abc import Sequence
from typing import Any

WORDS = {"": None, "True": True, "False": False}
"""Fields that stand for something else than text or a number."""


def find_delimiter(filename: str) -> str:
    """Returns what is between the fields of a table, by the name of its file."""
    return "\t" if filename.lower().endswith(".tsv") else ","


def join_fields(fields: Sequence[Any], delimiter: str) -> str:
    """Writes the fields of a row, without the end of a line."""
    line = io.StringIO()
    # What ends a line is quoted elsewhere; \r alone would split one, too.
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(fields)
    return line.getvalue()[:-2]


def split_table(text: str, delimiter: str) -> list[list[str]]:
    """Splits a table into fields, without a row that ends between quotes."""
    records: list[list[str]] = []
    lines = io.StringIO(text, newline="")
    with contextlib.suppress(csv.Error):  # those before are there
        records.extend(csv.reader(lines, delimiter=delimiter, strict=True))
    return records


def read_field(field: str) -> Any:
    """Reads a number, a bool, None or text."""
    if field in WORDS:
        return WORDS[field]
    for read in (int, float):
        try:
            return read(field)
        except ValueError:
            continue
    return field
