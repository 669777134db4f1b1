"""A folder of checkpoints: what is in it, and what does not belong there."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tntjax._struct import describe

NAME = re.compile(r"update-(\d+)-epoch-(\d+)")
"""Both counters, as an epoch ends without an update: `t` alone is not unique."""

START = ".start.json"
"""Where the lengths of files are that they had before the run's first start."""

FOREIGN = """{directory} holds {name!r}, which is no checkpoint of tntjax. Give the \
checkpoints of each run a folder of their own, with nothing else in it."""

ONE = """{directory} is one checkpoint, and not the folder of all. Name that: \
{above}. To choose this one, tnt.checkpoint.restore({above!r}, like, step={t})."""

NOT_LOCAL = """{name} must be a folder of this machine, got {path!r}. Mount the \
storage, or copy the checkpoints here and back."""

UNFIT = """{name} is {path!r}, but Orbax, which writes the files, needs a path that \
is UTF-8 and without [, *, ? and \\, which it takes for patterns: what it writes there \
cannot be read again. Save into a folder of another name."""


class Entry(NamedTuple):
    """A checkpoint after `t` updates and `epoch` epochs, and its absolute path."""

    t: int
    epoch: int
    path: Path


def absolute(path: Any, name: str) -> Path:
    """Makes a path absolute, `~` and links followed, so that equal ones are one place.

    Raises:
      TypeError: if it is not a path.
      ValueError: if it is empty, or a URL.
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"{name} must be a path, such as 'run/checkpoints', got {describe(path)}."
        ) from None
    if not text:
        raise ValueError(f"{name} is empty. Write '.' for the folder you are in.")
    if "://" in text:
        raise ValueError(NOT_LOCAL.format(name=name, path=text))
    return Path(text).expanduser().resolve()


def check_fit(path: Path, name: str) -> None:
    """Raises a ValueError if Orbax cannot write into a folder of this path."""
    text = path.as_posix()
    if re.search(r"[\[*?\\\ud800-\udfff]", text):  # the last are bytes not in UTF-8
        raise ValueError(UNFIT.format(name=name, path=text))


def entries(directory: str | os.PathLike) -> list[Entry]:
    """Lists the checkpoints in a folder, which need not exist, oldest first.

    One that has its name was written to its end. Rests of those that were being written
    or deleted when the program was killed are left out.

    Raises:
      ValueError: if there is something else in it.
    """
    return [Entry(*counts, path) for path, counts in _named(directory) if counts]


def discard(path: Path) -> None:
    """Deletes a checkpoint, such that what a kill leaves of it is known as a rest.

    That it is gone already, as another process was faster, is no error.
    """
    rest = path.with_name(f"{path.name}.discarded")
    with contextlib.suppress(FileNotFoundError):
        path.rename(rest)
    shutil.rmtree(rest, ignore_errors=True)


def sweep(directory: Path) -> None:
    """Deletes the rests of checkpoints in a folder that nobody is writing to."""
    for path, counts in _named(directory):
        if not counts:
            shutil.rmtree(path, ignore_errors=True)


def start_lengths(directory: Path, now: dict[str, int]) -> dict[str, int]:
    """Notes how long files were before a run wrote to them.

    Returns:
      Their lengths, by name, when the run was started for the first time; of files that
      are new or were replaced since, as they are `now`.
    """
    path, rest = directory / START, directory / f"{START}.new"
    noted = json.loads(path.read_text()) if path.exists() else {}
    lengths = {name: min(size, noted.get(name, size)) for name, size in now.items()}
    rest.write_text(json.dumps(lengths))
    rest.replace(path)
    return lengths


def steps(directory: str | os.PathLike) -> list[int]:
    """Lists after how many updates there is a checkpoint.

    Args:
      directory: where `tnt.hooks.checkpoint` saves.

    Returns:
      Numbers of updates, `t`, in ascending order; none if there is no such folder.

    Raises:
      ValueError: if there is something else in the folder.

    Example:
      >>> steps("a folder that is not there yet")
      []
    """
    return sorted({entry.t for entry in entries(directory)})


def _named(directory: str | os.PathLike) -> list[tuple[Path, tuple[int, int] | None]]:
    """Lists a folder, with the counters of whole checkpoints, oldest first."""
    directory = absolute(directory, "directory")
    if not os.path.lexists(directory):
        return []
    if not os.path.isdir(directory):
        raise ValueError(f"Checkpoints need a folder, but {directory} is a file.")
    if own := NAME.fullmatch(directory.name):
        raise ValueError(
            ONE.format(directory=directory, above=str(directory.parent), t=own[1])
        )
    found = []
    for path in directory.iterdir():
        match = NAME.match(path.name)
        if match and path.name[match.end() :][:1] in ("", "."):
            whole = match.end() == len(path.name)
            found.append((path, (int(match[1]), int(match[2])) if whole else None))
        elif not path.name.startswith("."):
            raise ValueError(FOREIGN.format(directory=directory, name=path.name))
    return sorted(found, key=lambda pair: (pair[1] or (0, 0), pair[0].name))
