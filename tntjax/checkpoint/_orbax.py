"""Orbax, which writes and reads the files of a checkpoint."""

import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tntjax._optional import import_optional
from tntjax.checkpoint._leaves import is_spread, plain

CANNOT_READ = """the checkpoint {path} cannot be read: {cause}. It was left as it is. \
To go on from the one before, resume with a function: lambda like: \
tnt.checkpoint.restore(directory, like, skip_broken=True)."""


_ONE_BY_ONE = threading.Lock()
"""Orbax counts the saves of a program, and signals of one begun in another thread
meanwhile would get its number."""


class BrokenError(ValueError):
    """A checkpoint cannot be read."""


def orbax() -> Any:
    """Returns Orbax's module, or says how to get it."""
    return import_optional("orbax.checkpoint", "A checkpoint", "checkpoint")


def make_writer() -> Any:
    """Returns Orbax's writer, which works in the background."""
    return orbax().AsyncCheckpointer(_handler())


def write(writer: Any, path: Path, arrays: dict[str, Any], notes: Any) -> None:
    """Begins to write arrays and notes; the path has its name once it is whole."""
    args = orbax().args
    saved = args.Composite(arrays=args.PyTreeSave(arrays), notes=args.JsonSave(notes))
    with _ONE_BY_ONE:
        writer.save(path, args=saved)


def read_notes(path: Path) -> Any:
    """Reads what was written beside the arrays, or raises a BrokenError."""
    args = orbax().args
    notes = _read(path, args.Composite(notes=args.JsonRestore())).notes
    if not isinstance(notes, dict) or not {"leaves", "score", "files"} <= notes.keys():
        cause = "its notes are damaged, or of another program"
        raise BrokenError(CANNOT_READ.format(path=path, cause=cause))
    return notes


def read_arrays(path: Path, likes: dict[str, Any]) -> dict[str, Any]:
    """Reads arrays of a checkpoint; each device reads its part of one."""
    if not likes:
        return {}
    args, places = orbax().args, {name: _place(like) for name, like in likes.items()}
    wanted = args.PyTreeRestore(item=likes, restore_args=places, partial_restore=True)
    return _read(path, args.Composite(arrays=wanted)).arrays


def _read(path: Path, args: Any) -> Any:
    try:
        with orbax().Checkpointer(_handler()) as reader:
            return reader.restore(path, args=args)
    except (MemoryError, PermissionError) as error:  # the checkpoint may be whole
        error.add_note(f"This happened while the checkpoint {path} was read.")
        raise
    except Exception as error:  # whatever Orbax says of files that are not its own
        first = next(iter(str(error).splitlines()), "").rstrip(".")
        cause = f"{type(error).__name__}: {first}"
        raise BrokenError(CANNOT_READ.format(path=path, cause=cause)) from error


def _handler() -> Any:
    module = orbax()
    return module.CompositeCheckpointHandler(
        arrays=module.PyTreeCheckpointHandler(), notes=module.JsonCheckpointHandler()
    )


def _place(like: Any) -> Any:
    if not is_spread(like):
        return orbax().RestoreArgs(restore_type=np.ndarray)
    like = plain(like)
    return orbax().ArrayRestoreArgs(
        restore_type=jax.Array, sharding=like.sharding, global_shape=like.shape
    )
