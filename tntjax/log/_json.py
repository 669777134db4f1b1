"""The view that writes a line of JSON for each row."""

import os
from collections.abc import Callable, Sequence

from tntjax._json import as_json_line
from tntjax.log._file import Lines, Writable, check_form, open_output
from tntjax.log._log import Log, check_names


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
      file: an open file to write to; by default standard output, as it is then.
      filename: or a file to write to, as for `tnt.log.text`, in UTF-8.
      append: keep what the file has.

    Returns:
      A closure `(log)`. It raises TypeError if JSON has no form for a value.

    Raises:
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`, or the file is named as one of another form, such as "run.csv".
      TypeError: if `keys` aren't strings.

    Example:
      >>> log = Log(["epoch", "loss"], on_flush=[json(["epoch", "loss"])])
      >>> log = log.set(epoch=3, loss=0.5).flush()
      {"epoch": 3, "loss": 0.5}

    Torchnet: `log/view/json.lua`, which wrote each value in quotes and escaped none,
    and "nil" for one that wasn't set. It had a `format`, which would make text of
    numbers: set what you want to be written.
    """
    keys = check_names(keys, "json")
    if filename is not None:
        check_form("json", "JSON", filename)
    return Lines("json", keys, open_output("json", file, filename, append), _write)


def _write(keys: tuple[str, ...], log: Log) -> str:
    return as_json_line({key: log.get(key) for key in keys}, "json")
