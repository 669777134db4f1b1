"""The view that writes a row of a table for each row."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

from tntjax._files import as_place
from tntjax._struct import describe
from tntjax.log._file import Lines, Writable, check_form, open_output
from tntjax.log._log import Log, check_names
from tntjax.log._table import find_delimiter, join_fields


def csv(
    keys: Sequence[str],
    file: Writable | None = None,
    filename: str | os.PathLike | None = None,
    append: bool = False,
) -> Callable[[Log], None]:
    """Makes an `on_flush` closure that writes a log's row as one of a table.

    The first line names the columns; it is written now, unless the file is appended to
    and has it. `pandas.read_csv(filename)` and any spreadsheet read the rest. Text with
    commas, quotes or line breaks is quoted, as RFC 4180 has it. A file named `.tsv` has
    tabs for the commas.

    Args:
      keys: which values to write, in order. One that isn't set is an empty field. NaN
        and infinity are `nan` and `inf`, which `float` reads.
      file: an open file to write to; by default standard output, as it is then.
      filename: or a file to write to, as for `tnt.log.text`, in UTF-8.
      append: keep what the file has, which must be rows of these keys.

    Returns:
      A closure `(log)`. It raises TypeError for what is not one number or text.

    Raises:
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`, or the file has other columns, or is named as one of another form,
        such as "run.json".
      TypeError: if `keys` aren't strings.

    Example:
      >>> log = Log(["epoch", "loss"], on_flush=[csv(["epoch", "loss"])])
      epoch,loss
      >>> log = log.set(epoch=3, loss=0.5).flush()
      3,0.5
    """
    keys = check_names(keys, "csv")
    delimiter = ","
    if filename is not None:
        filename = as_place(filename, "csv: filename")
        check_form("csv", "CSV", filename)
        delimiter = find_delimiter(filename)
    header, first = join_fields(keys, delimiter), ""
    if append and filename is not None and os.path.exists(filename):
        with open(filename, encoding="utf-8", errors="backslashreplace") as opened:
            first = opened.readline().rstrip("\n")
    if first not in ("", header):
        raise ValueError(
            f"csv appends rows of {header!r} to {describe(filename)}, whose columns are"
            f" {first!r}. Write to another file, or with append=False."
        )
    output = open_output("csv", file, filename, append)
    if not first:
        output.write(header)
    output = dataclasses.replace(output, head=header + "\n")
    return Lines("csv", keys, output, functools.partial(_write, delimiter))


def _write(delimiter: str, keys: tuple[str, ...], log: Log) -> str:
    row = [log.get(key) for key in keys]
    for key, value in zip(keys, row, strict=True):
        if not isinstance(value, str | bool | int | float | None):
            raise TypeError(
                f"csv: the value of {key!r} must be one number or text, got"
                f" {describe(value)}. Set its parts under names of their own."
            )
    return join_fields(row, delimiter)
