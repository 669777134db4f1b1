"""Where the views of a log write their lines."""

import contextlib
import dataclasses
import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, Protocol

from tntjax._files import as_place, as_text
from tntjax._json import LINE_BREAKS
from tntjax._numbers import check_boolean
from tntjax._struct import describe
from tntjax.log._log import Log

FORMS = {
    "CSV": (".csv", ".tsv"),
    "JSON": (".json", ".jsonl", ".ndjson"),
    "HTML": (".html", ".htm"),
    "compressed": (".gz", ".bz2", ".xz", ".zst", ".zip"),
}
"""What a file holds, by the end of its name."""


def check_form(writer: str, form: str, filename: str | os.PathLike) -> None:
    """Raises a ValueError if a file is named as one of another form than is written."""
    name = as_text(filename, f"{writer}: filename")
    end = os.path.splitext(name)[1].lower()
    for other, ends in FORMS.items():
        if end in ends and other != form:
            raise ValueError(
                f"{writer} writes {form}, but {name!r} is the name of a file that is"
                f" {other}. Let it end in {' or '.join(FORMS[form][:2])}"
                f"{INSTEAD.get(other, '').format(name=name)}."
            )


def is_table(filename: str) -> bool:
    """True if a file is named as a table."""
    return filename.lower().endswith(FORMS["CSV"])


INSTEAD = {
    "CSV": ", or have a table written by tnt.hooks.record({name!r}) or"
    " tnt.log.csv(keys, filename={name!r})",
    "JSON": ", or have JSON written by tnt.hooks.record({name!r}) or"
    " tnt.log.json(keys, filename={name!r})",
    "HTML": ", or have a page written by tnt.log.report({name!r}, state)",
}
"""Who writes files of a form, by whose name they go."""


class Writable(Protocol):
    """An open file, as far as a view needs it; flushed if it has `flush`."""

    def write(self, text: str, /) -> Any:
        """Writes text."""
        ...


@dataclasses.dataclass(eq=False)
class Lost:
    """Warns of the first row that `where` misses, and is silent about later ones."""

    where: str
    _is_told: bool = False

    def tell(self, why: str) -> None:
        """Warns, unless it has: what is missing does not end training."""
        if not self._is_told:
            self._is_told = True
            warnings.warn(
                f"{self.where} misses rows, as {why}. Training goes on; further rows"
                " that are missing are not told of.",
                RuntimeWarning,
                stacklevel=2,
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Output:
    """An open file, or the name of one, or standard output if both are None.

    `head` is the first line of each new file of that name.
    """

    file: Writable | None
    filename: str | None
    lost: Lost
    head: str = ""

    def write(self, line: str) -> None:
        """Writes a line, and leaves nothing of it in a buffer.

        A full disk, and a file that is gone or closed, are told of in one warning.
        """
        try:
            if self.filename is None:
                _print(line + "\n", sys.stdout if self.file is None else self.file)
                return
            if not os.path.exists(self.filename):
                self.lost.tell("it is gone; what follows is in a new file of that name")
            _append(self.filename, line + "\n", self.head)
        except (OSError, ValueError) as error:  # as of a file that was closed
            self.lost.tell(f"it could not be written to: {error}")


def _print(text: str, file: Writable | None) -> None:
    """Writes as `print` does, but escapes of what an open file has no bytes for."""
    if file is None:  # a program that was started without standard output
        return
    try:
        file.write(text)
    except UnicodeEncodeError:  # where the locale is C, say
        file.write(text.encode("ascii", "backslashreplace").decode("ascii"))
    getattr(file, "flush", lambda: None)()


def _append(filename: str, text: str, head: str) -> None:
    """Writes at the end of a file; of what cannot be written whole nothing stays."""
    with open(filename, "ab", buffering=0) as file:
        end = file.tell()
        # Half a character, of broken text, has no bytes but an escape.
        rest = (text if end else head + text).encode(errors="backslashreplace")
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with contextlib.suppress(OSError):  # not a file with an end
                file.truncate(end)  # or the next line would go on behind half of it
            raise


def check_file(name: str, file: Any) -> None:
    """Raises a TypeError if text cannot be written to what should be an open file."""
    binary = io.RawIOBase | io.BufferedIOBase
    if hasattr(file, "write") and not isinstance(getattr(file, "file", file), binary):
        return
    raise TypeError(
        f"{name} needs an open file as file, got {describe(file)}. Open it for text:"
        " open(name, 'w')."
    )


def check_place(name: str, filename: str) -> None:
    """Raises an OSError if there is no folder for a file, or one of its name."""
    folder = os.path.dirname(filename)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"{name}: there is no folder {folder} to write to. Make it first,"
            f" os.makedirs({folder!r}), or name another."
        )
    if os.path.isdir(filename):
        raise IsADirectoryError(f"{name}: {filename} is a folder. Name a file in it.")


def open_output(
    view: str,
    file: Writable | None,
    filename: str | os.PathLike | None,
    append: bool,
) -> Output:
    """Prepares what a view writes to; empties a named file unless it is appended to.

    A relative name means the same file after a chdir.

    Raises:
      TypeError: if `append` is not a bool, or `file` cannot be written to.
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`.
    """
    check_boolean(f"{view}: append", append)
    if file is not None:
        check_file(view, file)
    if file is not None and filename is not None:
        raise ValueError(f"{view} needs file or filename, got both. Leave one out.")
    if filename is None:
        if append:
            raise ValueError(f"{view} needs a filename to append to, got none.")
        return Output(file, None, Lost(f"{view}: its file"))
    filename = as_place(filename, f"{view}: filename")
    check_place(view, filename)
    with open(filename, "ab+" if append else "wb") as opened:
        if opened.tell():
            opened.seek(-1, os.SEEK_END)
            if opened.read() != b"\n":
                opened.write(b"\n")
    return Output(None, filename, Lost(f"{view}: {filename}"))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Lines:
    """A closure that writes a line of each row: what `write` makes of a log."""

    name: str
    keys: tuple[str, ...]
    output: Output
    write: Callable[[tuple[str, ...], Log], str]

    def __call__(self, log: Log) -> None:
        self.output.write(self.write(self.keys, log))

    def __repr__(self) -> str:
        return f"{self.name}({list(self.keys)})"


def on_one_line(text: str) -> str:
    """Writes line breaks as their escapes."""
    return LINE_BREAKS.sub(lambda found: repr(found[0])[1:-1], text)
