"""Sends errors from a worker's process to the consumer."""

import pickle
import traceback
from contextlib import suppress
from typing import Any


class WorkerError(RuntimeError):
    """An error of a worker that cannot be raised as it was.

    A worker's process died, was ended, or raised an error whose class only the worker
    knows; then the message starts with the name of that class. Notes are kept, and the
    cause holds the worker's traceback.

    Example:
      >>> raise WorkerError("worker 0 was killed by SIGKILL while it read dataset[6].")
      Traceback (most recent call last):
      ...
      tntjax.iterator._errors.WorkerError: worker 0 was killed by SIGKILL while it ...

    Torchnet has no counterpart: there an error ended the program.
    """


def pack_error(error: BaseException) -> bytes:
    """Pickles an error and its traceback, or what can be told of them."""
    text = "".join(traceback.format_exception(error))
    for candidate in (error, _Parts(error)):  # the most faithful first
        with suppress(Exception):
            pickled = pickle.dumps(candidate)
            if _is_same(error, pickle.loads(pickled)):  # tried here: there it is late
                return pickle.dumps((pickled, text))
    told = WorkerError(f"{type(error).__name__}: {_read_text(error)}")
    for note in getattr(error, "__notes__", ()):
        told.add_note(note)
    return pickle.dumps((pickle.dumps(told), text))


def unpack_error(packed: bytes) -> BaseException:
    """Undoes `pack_error`; the cause of the error holds the worker's traceback."""
    pickled, text = pickle.loads(packed)
    try:
        error = pickle.loads(pickled)
    except Exception:  # of a kind that only the worker knows
        return WorkerError(f"A worker failed:\n\n{text}")
    error.__cause__ = WorkerError(f"in the worker:\n\n{text}")
    return error


def _is_same(error: BaseException, again: BaseException) -> bool:
    """True if nothing is lost: a class may make another message of its own one."""
    texts = [(_read_text(e), getattr(e, "__notes__", ())) for e in (error, again)]
    # An argument that cannot be sent is None in the other text, which may differ then.
    unsendable = any(_make_sendable(arg) is not arg for arg in error.args)
    return type(again) is type(error) and (texts[0] == texts[1] or unsendable)


class _Parts:
    """Pickles an error without a call of its class; what cannot be sent is None."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple:
        kind = type(self.error)
        # A class of the user's may reduce itself to a call that fails.
        base: Any = next(k for k in kind.__mro__ if k.__module__ == "builtins")
        _, args, *state = base.__reduce__(self.error)
        parts = [{n: _make_sendable(v) for n, v in part.items()} for part in state]
        return _rebuild, (kind, base, tuple(map(_make_sendable, args)), *parts)


def _rebuild(
    kind: Any, base: Any, args: tuple, state: dict[str, Any] | None = None
) -> BaseException:
    # As its built-in base makes it: the class itself may want other arguments.
    error = base.__new__(kind, *args)
    base.__init__(error, *args)
    error.__setstate__(state)  # its attributes, and with them the notes
    return error


def _make_sendable(value: Any) -> Any:
    """Returns the value, or what of it can be pickled: None, or errors as parts."""
    with suppress(Exception):
        pickle.loads(pickle.dumps(value))
        return value
    if isinstance(value, BaseException):
        return _Parts(value)
    if isinstance(value, list | tuple):  # of an ExceptionGroup
        return [_make_sendable(entry) for entry in value]
    return None


def _read_text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # of its own `__str__`
        return "(its text cannot be shown)"
