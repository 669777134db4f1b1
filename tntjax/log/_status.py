"""The view that writes the messages of `log.status`."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from tntjax.log._file import Output, Writable, on_one_line, open_output
from tntjax.log._log import STATUS, Log


def status(
    file: Writable | None = None,
    filename: str | os.PathLike | None = None,
    append: bool = False,
) -> Callable[[Log, str, Any], None]:
    """Makes an `on_set` closure that writes each message of `log.status` as a line.

    Args:
      file: an open file to write to; by default standard output, as it is then.
      filename: or a file to write to, as for `tnt.log.text`.
      append: keep what the file has.

    Returns:
      A closure `(log, key, value)`, which writes nothing for other keys.

    Raises:
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`.

    Example:
      >>> log = Log([], on_set=[status()])
      >>> log = log.status("training", time=False)
      | training

    Torchnet: `log/view/status.lua`.
    """
    return _Status(open_output("status", file, filename, append))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Status:
    output: Output

    def __call__(self, log: Log, key: str, value: Any) -> None:
        if key == STATUS:
            self.output.write(on_one_line(str(value)))

    def __repr__(self) -> str:
        return "status()"
