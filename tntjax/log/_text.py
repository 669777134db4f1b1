"""The view that writes a line of text for each row."""

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax.log._keys import check_names
from tntjax.log._log import Log

Format = str | Callable[[Any], str]


class Writable(Protocol):
    """An open file, as far as a view needs it."""

    def write(self, text: str, /) -> Any:
        """Writes text."""
        ...


def text(
    keys: Sequence[str],
    file: Writable | None = None,
    filename: str | os.PathLike | None = None,
    format: Mapping[str, Format] | None = None,
    separator: str = " | ",
    append: bool = False,
) -> Callable[[Log], None]:
    """Makes an `on_flush` closure that writes a log's row as one line of text.

    Args:
      keys: which values to show, in order. One that isn't set, or is None, is left
        out; 0 and False are shown.
      file: an open file to write to; standard output, as it is at that time, if
        neither `file` nor `filename` is given.
      filename: a file to write to. It is emptied now, unless `append`; it is opened
        and closed for each line, so what is written is on disk and several views may
        share it.
      format: for each key that isn't to be shown as `key value`: a printf string such
        as `"loss %.4f"`, or a function from the value to a string. Both are given
        arrays of one element as NumPy numbers, other arrays as NumPy arrays.
      separator: what to put between values.
      append: keep what the file has.

    Returns:
      A closure `(log)`. It raises TypeError if a format doesn't give a string, and
      ValueError if a printf string doesn't fit the value.

    Raises:
      ValueError: if both `file` and `filename` are given, or `append` without
        `filename`, or `format` has a key that isn't in `keys`.
      TypeError: if `keys` aren't strings, or a format is neither string nor function.

    Example:
      >>> view = text(["epoch", "loss"], format={"loss": "loss %.2f"})
      >>> log = Log(["epoch", "loss"], on_flush=[view])
      >>> log = log.set(epoch=3, loss=0.12345).flush()
      epoch 3 | loss 0.12

    Torchnet: `log/view/text.lua`. There false was left out as if it weren't set, and
    the file was never closed.
    """
    if file is not None and filename is not None:
        raise ValueError("text needs file or filename, got both. Leave one out.")
    if append and filename is None:
        raise ValueError("text needs a filename to append to, got none.")
    keys, formats = check_names(keys, "text"), dict(format or {})
    for key, entry in formats.items():
        if key not in keys:
            raise ValueError(
                f"text has a format for {key!r}, which isn't one of its keys"
                f" {list(keys)}. Add it to them."
            )
        if not isinstance(entry, str) and not callable(entry):
            raise TypeError(
                f"text needs a printf string or a function as format of {key!r}, got"
                f" {describe(entry)}."
            )
    if filename is not None:
        filename = os.path.abspath(filename)  # it stays the same file after a chdir
        open(filename, "a" if append else "w", encoding="utf-8").close()
    return _Text(keys, file, filename, formats, separator)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Text:
    keys: tuple[str, ...]
    file: Writable | None
    filename: str | os.PathLike | None
    formats: dict[str, Format]
    separator: str

    def __call__(self, log: Log) -> None:
        values = [(key, log.get(key)) for key in self.keys]
        line = self.separator.join(
            self.show(key, value) for key, value in values if value is not None
        )
        if self.filename is None:
            file = sys.stdout if self.file is None else self.file
            file.write(line + "\n")
            return
        with open(self.filename, "a", encoding="utf-8") as opened:
            opened.write(line + "\n")

    def show(self, key: str, value: Any) -> str:
        value, entry = _on_host(value), self.formats.get(key)
        if entry is None:
            return f"{key} {value!s}"
        if isinstance(entry, str):
            try:
                return entry % (value,)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"text: the format {entry!r} of {key!r} doesn't fit the value"
                    f" {describe(value)}: {error}. It needs one conversion, such as"
                    " '%s'."
                ) from error
        shown = entry(value)
        if not isinstance(shown, str):
            raise TypeError(
                f"text: the format of {key!r} must return a string, got"
                f" {describe(shown)}. Return str(...) of it."
            )
        return shown

    def __repr__(self) -> str:
        return f"text({list(self.keys)})"


def _on_host(value: Any) -> Any:
    """Makes a NumPy number or array of a JAX or NumPy one; waits for the device."""
    if not isinstance(value, jax.Array | np.ndarray | np.generic):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, np.floating):
        # bfloat16 and its like cannot be formatted
        array = array.astype(np.float32)
    return array.reshape(())[()] if array.size == 1 else array
