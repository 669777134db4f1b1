"""Writing checkpoints."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from tntjax.checkpoint._folder import Entry, discard, entries, sweep
from tntjax.checkpoint._leaves import copies, kind_of, named_leaves
from tntjax.checkpoint._orbax import make_writer, read_notes, write
from tntjax.checkpoint._restore import Score, best_of, read_score

NOT_WRITTEN = """This happened while a checkpoint was written into {directory}. Is \
there room on the disk, is the folder still there, and does no other run save into it? \
Checkpoints that have their names are whole."""

UNWRITABLE = """{directory} is a folder that you may not write to. Save checkpoints \
into another; a run may go on from those in there all the same, with resume=."""


class Saver:
    """Writes checkpoints of a run into a folder; keeps the last and the best."""

    def __init__(self, directory: Path, keep: int | None, keep_best: bool) -> None:
        entries(directory)  # nothing foreign in it?
        directory.mkdir(parents=True, exist_ok=True)  # told at the start if it cannot
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(UNWRITABLE.format(directory=directory))
        self._directory, self._keep, self._keep_best = directory, keep, keep_best
        self._scores: dict[Path, Score | None] = {}
        # Another process could take what the first has begun to write for a rest.
        self._deletes = jax.process_index() == 0
        self._writer, self._pending = make_writer(), False

    def save(
        self,
        t: int,
        epoch: int,
        tree: dict[str, Any],
        score: Score | None,
        files: Any,
        recorded: Sequence[str] = (),
    ) -> None:
        """Copies fields of the State, and writes them while the caller goes on.

        Beside them go the score, the lengths of files, and the history as lines of
        JSON.

        Raises:
          OSError: and whatever else went wrong with the save before.
        """
        self.wait()
        leaves = named_leaves(tree)
        fields = [f for f in tree for _ in jax.tree.leaves(tree[f])]
        kinds = {
            name: (field, *kind_of(leaf))
            for field, (name, leaf) in zip(fields, leaves.items(), strict=True)
        }
        notes = {"leaves": kinds, "score": None, "files": files}
        if score is not None:
            notes |= {"score": score.value, "maximize": score.maximize}
        notes["recorded"] = list(recorded)
        numbered = {str(k): leaf for k, leaf in enumerate(leaves.values())}
        filled = {k: leaf for k, leaf in numbered.items() if leaf.size}
        path = self._directory / f"update-{t}-epoch-{epoch}"
        with self._explain_error():
            self._directory.mkdir(parents=True, exist_ok=True)
            if self._deletes:
                sweep(self._directory)
            write(self._writer, path, copies(filled), notes)
        self._pending = True

    def go_on(self, t: int, epoch: int) -> dict[str, int] | None:
        """Discards what a run that goes on from a checkpoint is about to write again.

        Returns the lengths of files when it was saved, None if the folder does not have
        it.
        """
        found = entries(self._directory)
        here = [entry for entry in found if entry[:2] == (t, epoch)]
        if not here:
            return None
        for entry in found[found.index(here[0]) + 1 :] if self._deletes else ():
            discard(entry.path)
        return read_notes(here[0].path)["files"]

    def steps(self) -> list[int]:
        """Returns after how many updates there are checkpoints."""
        return [entry.t for entry in entries(self._directory)]

    def wait(self) -> None:
        """Waits until nothing is being written, and deletes what is not to be kept.

        Nothing is deleted before there is something newer.
        """
        pending, self._pending = self._pending, False
        with self._explain_error():
            self._writer.wait_until_finished()
        if pending and self._deletes:
            self._prune()

    def close(self) -> None:
        """Waits for what is being written, and closes the writer."""
        try:
            self.wait()
        finally:
            self._writer.close()

    @contextlib.contextmanager
    def _explain_error(self) -> Iterator[None]:
        """Adds to an error, which is Orbax's as a rule, what to look at."""
        try:
            yield
        except Exception as error:
            error.add_note(NOT_WRITTEN.format(directory=self._directory))
            raise

    def _prune(self) -> None:
        found = entries(self._directory)
        if self._keep is None:
            return
        last = {entry.t: entry for entry in found}  # of one update the later epoch
        kept = [*last.values()][-self._keep :]
        if self._keep_best:
            kept += best_of([(e, self._score(e)) for e in last.values()])
        for entry in found:
            if entry not in kept:
                discard(entry.path)

    def _score(self, entry: Entry) -> Score | None:
        if entry.path not in self._scores:
            self._scores[entry.path] = read_score(entry.path)
        return self._scores[entry.path]
