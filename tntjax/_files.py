"""Paths that a user names, and files that are whole or not there."""

import contextlib
import errno
import glob
import os
import secrets
import time
from collections.abc import Callable
from typing import Any

from tntjax._struct import describe

ABANDONED = 24 * 3600
"""Seconds after which nobody writes a part any more."""


def as_text(path: Any, subject: str) -> str:
    """Returns a path as text, or raises an error if it is none or empty."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"{subject} must be a path, got {describe(path)}.")
    if not (text := os.fsdecode(path)):
        raise ValueError(
            f"{subject} must be a path, got ''. Write '.' for the working directory."
        )
    return text


def as_place(path: Any, subject: str) -> str:
    """Returns a path in full, or raises an error if it is none or empty."""
    return os.path.abspath(os.path.expanduser(as_text(path, subject)))


def write_cache(path: str, write: Callable[[Any], Any], subject: str) -> None:
    """Writes a cache that has its name once it is whole, whoever else writes it.

    Raises:
      OSError: if it can't be written.
    """
    part = f"{path}.{secrets.token_hex(8)}.part"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        for left in glob.glob(f"{glob.escape(path)}.*.part"):  # by one who was killed
            if time.time() - os.path.getmtime(left) > ABANDONED:
                os.unlink(left)
        with open(part, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        if error.errno == errno.EMFILE:  # which is not about this file
            raise
        raise OSError(
            f"{subject}: the cache {path} can't be written: {error}. Name one in a"
            " folder that you may write to, or leave cache out."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
