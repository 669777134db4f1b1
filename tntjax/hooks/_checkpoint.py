"""A plugin that saves the State, so that a run can be killed and started again."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax

from tntjax._json import as_json_line
from tntjax._numbers import check_at_least, check_boolean
from tntjax._score import as_score
from tntjax.checkpoint._folder import absolute, check_fit, start_lengths
from tntjax.checkpoint._restore import Score
from tntjax.checkpoint._save import Saver
from tntjax.engine._around import Session, Source
from tntjax.engine._carry import read_saved
from tntjax.engine._history import Row, rows_until
from tntjax.engine._hooks import Hooks
from tntjax.engine._state import State
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._nan_guard import has_bad_step
from tntjax.hooks._score import (
    Judged,
    StaleError,
    check_named,
    check_score,
    read_score,
    warn_of_direction,
)

NOT_EMPTY = """{directory} has checkpoints already, after {steps} updates, but this \
run goes on from none of them. Go on from the last one with train(..., \
resume={directory!r}), or save into another folder."""

NEWER = """{directory} has checkpoints of after {steps} updates, which come after the \
State that this run goes on from. Save into another folder, or go on from one of them: \
tnt.checkpoint.restore(directory, like, step=...) in resume=."""

OF_MEMBERS = """checkpoint: best={name!r} is {members} scores, one for each member, \
and a checkpoint is of all. Say what counts: \
best=lambda state: state.aux[{name!r}].min()"""

SHORTER = """{path} has {size} bytes, but had {length} when the checkpoint was saved \
that this run goes on from. Put the file back, or leave it out of files=."""


@explain_arguments
def checkpoint(
    directory: str | os.PathLike,
    every: int | None = None,
    *,
    keep: int | None = 3,
    best: Judged | None = None,
    maximize: bool = False,
    files: Sequence[str | os.PathLike] = (),
) -> Hooks:
    """Saves the State at the end of each epoch, and before SIGTERM ends the program.

    `engine.train(..., resume=directory)` goes on from the newest checkpoint, bit for
    bit as if the run had never stopped, or starts where there is none. Going on from an
    older one discards those that come after. What is saved is copied to the host; the
    files are written while training goes on, by Orbax (`pip install
    "tntjax[checkpoint]"`), and a checkpoint is there as a whole or not at all.

    Args:
      directory: a folder that belongs to the checkpoints of one run.
      every: also after each so many updates.
      keep: how many of the last checkpoints to keep, None for all.
      best: what is judged, the lower the better: the name of the score of a
        `validate`, or, as it must be for `members`, `State -> score`, a number or None
        for no score. The checkpoint with the best score, of equals the first, is kept
        as well, and `tnt.checkpoint.best` finds it. A score of `validate` counts for
        the checkpoint of the epoch in which it was measured. NaN is never the best.
      maximize: whether a higher score is better.
      files: files that grow while training goes on, such as logs: to their end (mode
        `"a"`), each line flushed. A run that goes on from a checkpoint cuts them to the
        length they had then; one that was killed before the first, to the one they had
        before its first start.

    Returns:
      Hooks, to be chained with others, in any place.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if a number is below 1, or the folder's path has `[`, `*`, `?` or a
        backslash; and from `train`, if the folder holds something else, or checkpoints
        and the run does not go on from one of them.
      ImportError: from `train`, if Orbax is not installed.

    Example:
      >>> import tntjax as tnt
      >>> engine = tnt.SGDEngine(tnt.hooks.checkpoint("checkpoints", every=1000))
      >>> engine.explain()
      A compiled call makes up to 25 steps, fewer if their samples exceed 64 MiB.
      every 1000 updates, each epoch host      _Checkpoint.save (saves)

    Torchnet leaves saving to a hook on `onEndEpoch` and cannot go on within an epoch.
    """
    if every is not None:
        every = check_at_least("checkpoint(every=...)", every, 1)
    if keep is not None:
        keep = check_at_least("checkpoint(keep=...)", keep, 1)
    if best is not None:
        check_score("checkpoint: best", best)
    maximize = check_boolean("checkpoint: maximize", maximize)
    if isinstance(files, str | os.PathLike) or not isinstance(files, Iterable):
        shown = str(files) if isinstance(files, os.PathLike) else files
        raise TypeError(f"files must be a list, such as [{shown!r}].")
    plugin = _Checkpoint(directory, keep, best, maximize, files)
    session = Session(
        plugin.open, plugin.load, plugin.save, plugin.close, every, plugin.directory
    )
    return Hooks(sessions=(session,))


class _Checkpoint:
    """Saves when it is due; between `open` and `close` there is a `Saver`."""

    def __init__(
        self, directory: Any, keep: Any, best: Any, maximize: bool, files: Any
    ) -> None:
        self.directory = absolute(directory, "checkpoint: directory")
        check_fit(self.directory, "checkpoint: directory")
        paths = [absolute(file, "checkpoint: an entry of files") for file in files]
        for path in paths:
            if path.is_dir():
                raise ValueError(f"files must be files, and {path} is a folder.")
        self._files = {os.path.relpath(p, self.directory): p for p in paths}
        self._keep, self._best, self._maximize = keep, best, maximize
        self._saver: Any = None
        self._lines: dict[int, tuple[Row, str]] = {}  # by the row's id, which it keeps

    def open(self) -> None:
        """Comes before any hook writes, or a run killed then would write it twice."""
        self._saver = Saver(self.directory, self._keep, self._best is not None)
        # Where there is a checkpoint, `load` knows better.
        if self._files and not self._saver.steps() and jax.process_index() == 0:
            self._cut(start_lengths(self.directory, self._lengths()))

    def load(self, state: State, source: Source) -> None:
        """Cuts files to what they were, and refuses a folder of another run."""
        check_named("checkpoint", self._best, state)
        if isinstance(self._best, str) and state.members is not None:
            words = OF_MEMBERS.format(name=self._best, members=state.members)
            raise ValueError(words)
        warn_of_direction("checkpoint", self._best, self._maximize, state)
        saver, t = self._saver, int(state.t)
        if source == "memory":  # files and older checkpoints are of the same program
            if steps := [step for step in saver.steps() if step > t]:
                raise ValueError(NEWER.format(directory=self.directory, steps=steps))
            return
        restored = source == "disk"
        lengths = saver.go_on(t, int(state.epoch)) if restored else None
        if lengths is not None:
            self._cut(lengths)
        elif steps := saver.steps():
            directory = str(self.directory)
            raise ValueError(NOT_EMPTY.format(directory=directory, steps=steps))

    def save(self, state: State) -> None:
        if has_bad_step(state):  # a run that goes on from there would end by its error
            return
        score = None
        try:
            score = self._score(state)
        finally:  # a mistake in the score costs no checkpoint
            rows = self._write_lines(rows_until(state))
            counts, saved = (int(state.t), int(state.epoch)), read_saved(state)
            self._saver.save(*counts, saved, score, self._lengths(), rows)

    def _write_lines(self, rows: list[Row]) -> list[str]:
        """Writes rows as lines of JSON, each once, as all but the last stay as is."""
        for row in rows[:-1]:
            if id(row) not in self._lines:
                self._lines[id(row)] = row, as_json_line(row, "checkpoint")
        last = [as_json_line(row, "checkpoint") for row in rows[-1:]]
        return [*(self._lines[id(row)][1] for row in rows[:-1]), *last]

    def _score(self, state: State) -> Score | None:
        if self._best is None:
            return None
        try:
            value = read_score("checkpoint", self._best, state)
        except StaleError:  # saved between two tests
            return None
        if value is None:
            return None
        return Score(as_score(value, "checkpoint: best"), self._maximize)

    def close(self) -> None:
        saver, self._saver, self._lines = self._saver, None, {}
        if saver is not None:
            saver.close()

    def _lengths(self) -> dict[str, int]:
        """Lengths by names that stay right where folder and file move together."""
        return {name: _size(file) for name, file in self._files.items()}

    def _cut(self, lengths: dict[str, int]) -> None:
        if jax.process_index() > 0:  # the first may write to them by now
            return
        for name in self._files.keys() & lengths.keys():
            path, length = self._files[name], lengths[name]
            if (size := _size(path)) < length:
                raise ValueError(SHORTER.format(path=path, size=size, length=length))
            if size > length:
                os.truncate(path, length)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
