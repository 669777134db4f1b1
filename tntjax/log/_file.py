"""Where the views of a log write their lines."""

import dataclasses
import os
import sys
from typing import Any, Protocol

from tntjax._json import LINE_BREAKS
from tntjax._numbers import check_boolean
from tntjax._struct import describe
from tntjax.log._lost import Lost


class Writable(Protocol):
    """An open file, as far as a view needs it; flushed if it has `flush`."""

    def write(self, text: str, /) -> Any:
        """Writes text."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Output:
    """An open file, or the name of one, or standard output if both are None."""

    file: Writable | None
    filename: str | None
    lost: Lost

    def write(self, line: str) -> None:
        """Writes a line, and leaves nothing of it in a buffer.

        A disk that is full, or a file that is gone, is told of once in a warning.
        """
        try:
            if self.filename is None:
                file = sys.stdout if self.file is None else self.file
                file.write(line + "\n")
                getattr(file, "flush", lambda: None)()
            else:
                self._append(line)
        except OSError as error:
            self.lost.tell(f"it could not be written to: {error}")

    def _append(self, line: str) -> None:
        assert self.filename is not None
        if not os.path.exists(self.filename):
            self.lost.tell("it is gone; what follows is in a new file of that name")
        # half a character, of broken text, has no bytes but an escape
        with open(
            self.filename, "a", encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(line + "\n")


def open_output(
    view: str,
    file: Writable | None,
    filename: str | os.PathLike | None,
    append: bool,
) -> Output:
    """Prepares what a view writes to; empties a named file unless it is appended to.

    Args:
      view: the name of the view, for errors.
      file: an open file.
      filename: or the name of one.
      append: keep what the named file has.

    Returns:
      The output; a relative name means the same file after a chdir.

    Raises:
      TypeError: if `append` is not a bool, or `file` cannot be written to.
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`.
    """
    check_boolean(f"{view}: append", append)
    if file is not None and not hasattr(file, "write"):
        raise TypeError(
            f"{view} needs an open file as file, got {describe(file)}. A name is"
            " filename=...."
        )
    if file is not None and filename is not None:
        raise ValueError(f"{view} needs file or filename, got both. Leave one out.")
    if filename is None:
        if append:
            raise ValueError(f"{view} needs a filename to append to, got none.")
        return Output(file, None, Lost(f"{view}: its file"))
    filename = os.path.abspath(os.fspath(filename))
    with open(filename, "ab" if append else "wb") as opened:
        if opened.tell() and not _ends_a_line(filename):
            opened.write(b"\n")
    return Output(None, filename, Lost(f"{view}: {filename}"))


def _ends_a_line(filename: str) -> bool:
    """True if a file that is not empty ends with a line break."""
    with open(filename, "rb") as opened:
        opened.seek(-1, os.SEEK_END)
        return opened.read() == b"\n"


def on_one_line(text: str) -> str:
    r"""Writes line breaks as their escapes.

    Example:
      >>> print(on_one_line("two\nlines"))
      two\nlines
    """
    return LINE_BREAKS.sub(lambda found: repr(found[0])[1:-1], text)
