"""Reading checkpoints."""

import functools
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from tntjax._json import read_json_line
from tntjax._numbers import check_at_least, check_boolean
from tntjax._score import is_better
from tntjax._struct import describe
from tntjax.checkpoint._folder import Entry, absolute, entries, steps
from tntjax.checkpoint._leaves import (
    Kind,
    MismatchError,
    describe_differences,
    kind_of,
    named_leaves,
    placed,
)
from tntjax.checkpoint._orbax import BrokenError, read_arrays, read_notes

NOTHING_THERE = """there is no checkpoint in {folder} to resume from, and the hooks do \
not save there but {where}. Is the path right? To start with an empty folder and go on \
from it later, chain tnt.hooks.checkpoint(folder) with the same folder."""


MISSING = """there is no folder {folder} to restore from. Is the path right? \
tnt.hooks.checkpoint makes its folder at the start of a run."""


SHOWN = (("meters", "mean_loss"), ("aux", "kept_rate"))
"""Entries of plugins that only show what is measured, `progress` and `record`: a run
may go on with them or without, whatever was saved."""


class Score(NamedTuple):
    """A number that a checkpoint is judged by."""

    value: float
    maximize: bool


def restore(
    directory: str | os.PathLike,
    like: Mapping[str, Any],
    *,
    step: int | None = None,
    skip_broken: bool = False,
) -> dict[str, Any] | None:
    """Restores a checkpoint.

    `engine.train(..., resume=directory)` calls it with all that is to be restored. To
    choose the checkpoint, pass a function as `resume`:
    `lambda like: tnt.checkpoint.restore(directory, like, step=300)`. Parameters alone
    come back with `like={"params": params}`.

    Args:
      directory: where `tnt.hooks.checkpoint` saves.
      like: a dict of some fields of the State, each with the structure, shapes,
        dtypes and places on devices that are wanted. Its values are not used.
      step: after how many updates it was saved, None for the newest.
      skip_broken: where a checkpoint cannot be read, take the one before, with a
        warning.

    Returns:
      The fields, or None if the folder has no checkpoint yet and no `step` was asked
      for: `resume` starts then.

    Raises:
      TypeError: if an argument is of the wrong kind.
      FileNotFoundError: if there is no such folder. `tnt.hooks.checkpoint` makes its
        own at the start of a run, before anything is restored.
      ValueError: if a checkpoint cannot be read, or is of something else; which leaves
        differ is said, and how.
      ImportError: if there is one to read and Orbax is not installed.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:  # of a run that just began
      ...     restore(folder, {"params": np.zeros(3)}) is None
      True
    """
    if not isinstance(like, Mapping):
        raise TypeError(
            "like must be a dict of fields of the State, such as {'params': params},"
            f" got {describe(like)}."
        )
    found = entries(directory)
    if not found and not (folder := absolute(directory, "directory")).exists():
        raise FileNotFoundError(MISSING.format(folder=folder))
    if step is not None:
        step = check_at_least("restore: step", step, 0)
        found = [entry for entry in found if entry.t == step]
        if not found:
            raise ValueError(
                f"{directory} has no checkpoint after {step} updates, but after"
                f" {steps(directory)}."
            )
    skip_broken = check_boolean("restore: skip_broken", skip_broken)
    broken = []
    for entry in reversed(found):
        try:
            return _restore(entry.path, like)
        except BrokenError as error:
            if not skip_broken:
                raise
            broken = [error]
            warnings.warn(f"skipped: {error}", RuntimeWarning, stacklevel=2)
    if broken:  # to start anew is for the user to decide
        raise broken.pop()  # no name: its traceback would hold it, and it what is here
    return None


def read_from(directory: Any, saved_to: Sequence[Path]) -> Callable[..., Any]:
    """Makes the function `like -> fields or None` that reads the newest checkpoint.

    Raises:
      TypeError: if the folder is not a path.
      ValueError: if there is no checkpoint in it and the run saves none there.
    """
    folder = absolute(directory, "resume")
    if folder not in saved_to and not entries(folder):
        where = ", ".join(map(str, saved_to)) or "nowhere"
        raise ValueError(NOTHING_THERE.format(folder=folder, where=where))
    return functools.partial(restore, folder)


def best(directory: str | os.PathLike) -> int | None:
    """Finds the checkpoint with the best score.

    Args:
      directory: where `tnt.hooks.checkpoint(..., best=...)` saves. Whether a higher
        score is better is noted in the checkpoints; the last one counts.

    Returns:
      After how many updates it was saved, for `restore(..., step=...)`; of equals the
      first. None if no checkpoint has a score.

    Raises:
      ValueError: if a checkpoint cannot be read.
      ImportError: if Orbax is not installed.

    Example:
      >>> best("a folder that is not there yet") is None
      True
    """
    found = best_of([(e, read_score(e.path)) for e in entries(directory)])
    return found[0].t if found else None


def read_score(path: Path) -> Score | None:
    """Reads the score of a checkpoint, if it has one."""
    notes = read_notes(path)
    if notes["score"] is None:
        return None
    # Before there was a choice the highest was the best.
    return Score(notes["score"], notes.get("maximize", True))


def best_of(scored: list[tuple[Entry, Score | None]]) -> list[Entry]:
    """Returns the best of entries, oldest first, in a list; empty if none has a score.

    Only those count that are judged as the last one is.
    """
    known = [(entry, score) for entry, score in scored if score is not None]
    found, best = [], None
    for entry, score in known:
        maximize = known[-1][1].maximize
        if score.maximize == maximize and is_better(score.value, best, maximize):
            found, best = [entry], score.value
    return found


def _restore(path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    notes = read_notes(path)
    # The history is in the notes; older checkpoints lack some fields.
    apart = {"recorded"} | ({"loss", "done"} - notes["leaves"].keys())
    like = {field: tree for field, tree in given.items() if field not in apart}
    saved = {
        name: Kind(dtype, tuple(shape))
        for name, (field, dtype, shape) in notes["leaves"].items()
        if field in like
    }
    like, saved, added = _set_apart(like, saved)
    wanted = {name: kind_of(leaf) for name, leaf in named_leaves(like).items()}
    if differences := describe_differences(saved, wanted, path):
        numbers = {
            field: tree
            for field, tree in like.items()
            if field in saved and saved[field] == wanted.get(field)
            if not saved[field].shape  # []
        }
        raise MismatchError(differences, _read_like(path, notes, numbers))
    restored = _read_like(path, notes, like)
    for field, own in added.items():
        restored[field] = {**restored[field], **own}
    if "recorded" in given:
        lines = notes.get("recorded")
        rows = None if lines is None else [read_json_line(line) for line in lines]
        restored["recorded"] = rows
    return restored


def _set_apart(
    like: dict[str, Any], saved: dict[str, Kind]
) -> tuple[dict[str, Any], dict[str, Kind], dict[str, dict[str, Any]]]:
    """Leaves out what is only shown and is not in both; returns what is added, too."""
    added = {}
    for field, name in SHOWN:
        leaves = {leaf for leaf in saved if leaf.startswith(f"{field}[{name!r}]")}
        own = like.get(field)
        own = own if isinstance(own, dict) else {}
        if name in own and not leaves:
            added[field] = {name: own[name]}
            others = {other: own[other] for other in own if other != name}
            like = {**like, field: others}
        elif name not in own:
            saved = {leaf: kind for leaf, kind in saved.items() if leaf not in leaves}
    return like, saved, added


def _read_like(path: Path, notes: Any, like: Mapping[str, Any]) -> dict[str, Any]:
    """Reads fields that are as they were saved."""
    leaves = named_leaves(dict(like))
    numbers = {name: str(k) for k, name in enumerate(notes["leaves"])}
    filled = {n: leaf for n, leaf in leaves.items() if math.prod(np.shape(leaf))}
    arrays = read_arrays(path, {numbers[n]: leaf for n, leaf in filled.items()})
    values = [
        placed(arrays[numbers[name]], leaf) if name in filled else leaf
        for name, leaf in leaves.items()
    ]
    order = jax.tree.structure(list(like.values())).unflatten(values)
    return dict(zip(like, order, strict=True))
