"""Rows of plain values as lines of JSON, and back."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tntjax._struct import describe

LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What `str.splitlines` splits at."""

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def as_json_line(row: Mapping[str, Any], name: str) -> str:
    """Writes a row of plain values as an object on one line, or raises a TypeError."""
    written = {}
    for key, value in row.items():
        try:
            written[key] = _as_json(value)
        except TypeError as error:
            raise TypeError(f"{name}: the value of {key!r} {error}") from None
    text = ENCODER.encode(written)
    if text.isascii():
        return text
    # JSON lets some characters be at which others split lines.
    return LINE_BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_json_text(value: Any, name: str) -> str:
    """Writes a plain value as JSON, or raises a TypeError."""
    try:
        return ENCODER.encode(_as_json(value))
    except TypeError as error:
        raise TypeError(f"{name} {error}") from None


def read_json_line(line: str) -> dict[str, Any]:
    """Reads what `as_json_line` has written; lists of numbers are arrays.

    Raises:
      ValueError: if it is not an object of JSON.
    """
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"a row is an object of JSON, got {describe(row)}.")
    return _as_numbers(row)


def _as_json(value: Any) -> Any:
    """Converts a plain value to what JSON has."""
    if isinstance(value, float):
        return value if math.isfinite(value) else NOT_FINITE[str(float(value))]
    if value is None or isinstance(value, (str, int)):  # a bool is an int
        return value
    if isinstance(value, np.ndarray):
        return _as_json(list(value) if value.dtype.kind in "mM" else value.tolist())
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str | int | float):
                raise TypeError(
                    f"must have names that are text or numbers, got {describe(key)}."
                )
        named = {str(key): _as_json(entry) for key, entry in value.items()}
        if len(named) < len(value):
            raise TypeError(f"has names that are the same as text: {list(value)}.")
        return named
    if names := getattr(value, "_fields", None):
        return {name: _as_json(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in value]
    raise TypeError(
        f"must be numbers, text, or dicts and lists of these, got {describe(value)}."
        " Set str(...) of it."
    )


def _as_numbers(value: Any) -> Any:
    """Turns words for what is not finite into numbers, lists of numbers into arrays."""
    if isinstance(value, dict):
        return {key: _as_numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        entries = [_as_numbers(entry) for entry in value]
        try:
            array = np.array(entries)
        except ValueError:  # lists of several lengths
            return entries
        return array if array.dtype.kind in "biuf" and array.size else entries
    is_word = isinstance(value, str) and value in NOT_FINITE.values()
    return float(value) if is_word else value
