"""The error for a data set that is not on this machine."""

import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """Tells where a data set comes from.

    Args:
      title: its name.
      get: what to fetch, and from where.
      licence: on which terms.
      layout: the files or folders that are read, one a line.
    """

    title: str
    get: str
    licence: str
    layout: str


def missing(source: Source, what: str, looked: Iterable[object]) -> FileNotFoundError:
    """Makes the error that tells what to get, where, on which terms, and in what form.

    Args:
      source: where the data set comes from.
      what: the part that is not there.
      looked: the places where it was looked for.

    Returns:
      The error, to be raised.

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


def list_roots(data_dir: str | os.PathLike[str] | None, name: str) -> Sequence[Path]:
    """Lists the folders where a data set may lie, as `mnist` has them.

    Args:
      data_dir: the folder that the user passed.
      name: the data set's own folder.

    Returns:
      `data_dir` and the folder in it, or else those of TNTJAX_DATA and of the cache.
    """
    if data_dir is not None:
        root = Path(data_dir).expanduser()
        return [root, root / name]
    roots = []
    if data := os.environ.get("TNTJAX_DATA"):
        roots += [Path(data).expanduser(), Path(data).expanduser() / name]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return [*roots, Path(cache, "tntjax", name)]
