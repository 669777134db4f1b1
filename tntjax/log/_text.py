"""The view that writes a line of text for each row."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._plain import PLAIN
from tntjax._struct import describe
from tntjax.log._file import Lines, Writable, on_one_line, open_output
from tntjax.log._log import Log, check_names

Format = str | Callable[[Any], str]

ARRAYS = jax.Array, np.ndarray, np.generic


def text(
    keys: Sequence[str],
    file: Writable | None = None,
    filename: str | os.PathLike | None = None,
    format: Mapping[str, Format] | None = None,
    separator: str = " | ",
    append: bool = False,
) -> Callable[[Log], None]:
    r"""Makes an `on_flush` closure that writes a log's row as one line of text.

    Args:
      keys: which values to show, in order. One that isn't set, or is None, is left
        out; 0 and False are shown.
      file: an open file to write to; by default standard output, as it is then.
      filename: or a file to write to. It is emptied now, unless `append`; it is opened
        and closed for each line, so what is written is on disk and several views may
        share it. If it cannot be written to, as the disk is full, or is gone, a
        warning says so once, and training goes on.
      format: for each key that isn't to be shown as `key value`: a printf string such
        as `"loss %.4f"`, or a function from the value to a string. Both are given
        what `log.get` gives, and of an array of one element its number.
      separator: what to put between values.
      append: keep what the file has.

    Returns:
      A closure `(log)`. A line break in what is shown is written as its escape, such
      as `\n`, so that a row is one line. It raises TypeError if a format doesn't give
      a string, and ValueError if a printf string doesn't fit the value.

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
    output = open_output("text", file, filename, append)
    if not isinstance(format, Mapping | None):
        raise TypeError(f"text needs a dict of formats, got {describe(format)}.")
    if not isinstance(separator, str):
        raise TypeError(f"text needs a string as separator, got {describe(separator)}.")
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
    write = functools.partial(_write, formats, separator)
    return Lines("text", keys, output, write)


def _write(
    formats: dict[str, Format], separator: str, keys: tuple[str, ...], log: Log
) -> str:
    values = log.values if isinstance(log, Log) else log  # or a row of `record`
    shown = [
        _show(formats.get(key), key, value, values[key])
        for key in keys
        if (value := log.get(key)) is not None
    ]
    line = separator.join(shown)
    # The separator may have a line break.
    return line if line.isprintable() else separator.join(map(on_one_line, shown))


def _show(entry: Format | None, key: str, value: Any, given: Any) -> str:
    if entry is None:
        return f"{key} {_in_its_digits(given, value)}"
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(entry, str):
        try:
            return entry % (value,)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"text: the format {entry!r} of {key!r} doesn't fit the value"
                f" {describe(value)}: {error}. It needs one conversion, such as '%s'."
            ) from error
    shown = entry(value)
    if not isinstance(shown, str):
        raise TypeError(
            f"text: the format of {key!r} must return a string, got"
            f" {describe(shown)}. Return str(...) of it."
        )
    return shown


def _in_its_digits(given: Any, value: Any) -> str:
    """Shows a number in the digits of its dtype, an array on one line, else `value`."""
    is_array = type(given) not in PLAIN and isinstance(given, ARRAYS)
    if not is_array or jnp.issubdtype(given.dtype, jax.dtypes.prng_key):
        return str(value)
    array = np.asanyarray(given)  # a masked array hides what it masks
    if array.dtype.kind == "V" and jnp.issubdtype(array.dtype, np.floating):
        # bfloat16 and its like cannot be formatted
        array = array.astype(np.float32)
    shown = array.reshape(())[()] if array.size == 1 else array
    return str(shown) if array.dtype.kind in "OSU" else " ".join(str(shown).split())
