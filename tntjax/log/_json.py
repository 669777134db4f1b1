"""The view that writes a line of JSON for each row."""

import dataclasses
import json as standard
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tntjax._struct import describe
from tntjax.log._file import LINE_BREAKS, Output, Writable, open_output
from tntjax.log._keys import check_names
from tntjax.log._log import Log


def json(
    keys: Sequence[str],
    file: Writable | None = None,
    filename: str | os.PathLike | None = None,
    append: bool = False,
) -> Callable[[Log], None]:
    """Makes an `on_flush` closure that writes a log's row as one line of JSON.

    Each line is an object with all `keys`, in their order: `pandas.read_json(filename,
    lines=True)` makes a table of them. Numbers are numbers, arrays and tuples lists,
    dicts and NamedTuples objects. JSON has no number that is not finite: NaN is written
    as `"NaN"`, infinity as `"Infinity"` or `"-Infinity"`, which `float` reads.

    Args:
      keys: which values to write. One that isn't set is null.
      file: an open file to write to; standard output, as it is at that time, if
        neither `file` nor `filename` is given.
      filename: a file to write to, as for `tnt.log.text`, in UTF-8.
      append: keep what the file has.

    Returns:
      A closure `(log)`. It raises TypeError if JSON has no form for a value.

    Raises:
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`.
      TypeError: if `keys` aren't strings.

    Example:
      >>> log = Log(["epoch", "loss"], on_flush=[json(["epoch", "loss"])])
      >>> log = log.set(epoch=3, loss=np.float32(0.5)).flush()
      {"epoch": 3, "loss": 0.5}

    Torchnet: `log/view/json.lua`, which wrote each value in quotes and escaped none,
    and "nil" for one that wasn't set. It had a `format`, which would make text of
    numbers: set what you want to be written.
    """
    keys = check_names(keys, "json")
    return _Json(keys, open_output("json", file, filename, append))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Json:
    keys: tuple[str, ...]
    output: Output

    def __call__(self, log: Log) -> None:
        row = {key: log.get(key) for key in self.keys}
        self.output.write(as_json_line(row, "json"))

    def __repr__(self) -> str:
        return f"json({list(self.keys)})"


def as_json_line(row: Mapping[str, Any], name: str) -> str:
    """Writes a row of plain values as an object on one line.

    Raises:
      TypeError: if JSON has no form for a value; `name` is who says so.
    """
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


def _as_json(value: Any) -> Any:
    """Converts a plain value to what JSON has."""
    if isinstance(value, float):
        return value if math.isfinite(value) else NOT_FINITE[str(value)]
    if value is None or isinstance(value, (str, int)):  # a bool is an int
        return value
    if isinstance(value, np.ndarray):
        return _as_json(list(value) if value.dtype.kind in "mM" else value.tolist())
    if isinstance(value, Mapping):
        named = {_as_name(key): _as_json(entry) for key, entry in value.items()}
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


def _as_name(key: Any) -> str:
    if isinstance(key, str | int | float):
        return str(key)
    raise TypeError(f"must have names that are text or numbers, got {describe(key)}.")


NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

ENCODER = standard.JSONEncoder(ensure_ascii=False, allow_nan=False)
