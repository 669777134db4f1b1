"""The error for a data set that is not on this machine."""

import os
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """Where a data set comes from."""

    title: str
    get: str  # what to fetch, and from where
    licence: str
    layout: str  # the files or folders that are read, one choice a line


def missing(source: Source, what: str, looked: Iterable[object]) -> FileNotFoundError:
    """Makes the error that tells what to get, where, on which terms, and in what form.

    Example:
      >>> print(missing(Source("Toys", "toys.org", "MIT", "toys.bin"), "train", ["/a"]))
      Toys: train is not on this machine. Looked in
        /a
      Get it: toys.org
      Licence: MIT
      Layout, any of:
        toys.bin
    """
    return FileNotFoundError(
        f"{source.title}: {what} is not on this machine. Looked in\n"
        + textwrap.indent("\n".join(map(str, looked)), "  ")
        + f"\nGet it: {source.get}\nLicence: {source.licence}\nLayout, any of:\n"
        + textwrap.indent(source.layout, "  ")
    )


def list_roots(data_dir: str | os.PathLike[str] | None, name: str) -> list[Path]:
    """Lists `data_dir`, or else TNTJAX_DATA and the cache, and the folder in each."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    given = [os.environ.get("TNTJAX_DATA"), Path(cache, "tntjax")]
    roots = given if data_dir is None else [data_dir]
    if data_dir is not None and os.path.isfile(os.path.expanduser(data_dir)):
        raise ValueError(f"{name} needs data_dir to be a folder; {data_dir} is a file.")
    paths = [Path(root).expanduser() for root in roots if root]
    return [path for root in paths for path in (root, root / name)]
