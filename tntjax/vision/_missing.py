"""Where data sets may lie, and the error for one that is not on this machine."""

import os
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tntjax._files import as_place

Place = str | os.PathLike[str] | None
"""A folder that a user named, or None for the usual ones."""


class Source(NamedTuple):
    """Where a data set comes from."""

    title: str
    get: str  # what to fetch, and from where
    licence: str
    layout: str  # the files or folders that are read, one choice a line


def missing(source: Source, what: str, looked: Iterable[object]) -> FileNotFoundError:
    """Makes the error that tells what to get, from where, and on which terms."""
    return FileNotFoundError(
        f"{source.title}: {what} is not on this machine. Looked in\n"
        + textwrap.indent("\n".join(map(str, looked)), "  ")
        + f"\nGet it: {source.get}\nLicence: {source.licence}\nLayout, any of:\n"
        + textwrap.indent(source.layout, "  ")
    )


def list_roots(data_dir: Place, name: str) -> list[Path]:
    """Lists `data_dir`, or where it is None TNTJAX_DATA and the user's cache."""
    if data_dir is not None:
        root = as_place(data_dir, f"{name}: data_dir")
        if os.path.isfile(root):
            raise ValueError(f"{name} needs data_dir to be a folder; {root} is a file.")
        return [Path(root)]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    roots = os.environ.get("TNTJAX_DATA"), Path(cache, "tntjax")
    return [Path(root).expanduser() for root in roots if root]
