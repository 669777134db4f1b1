"""Runs that end early: errors carry the State, and hooks save it."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator

import jax

from tntjax.engine._hooks import Hooks, Scheduled
from tntjax.engine._state import State

NOTE = "tntjax: "
"""How notes begin that tell of the attribute `state`."""

KEPT = (
    NOTE + "the State after {t} {what} (epoch {epoch}) is this error's attribute"
    " `state`{go_on}."
)
GO_ON = "; train(..., state=error.state) goes on from there"
NOT_KEPT = (
    NOTE + "the error takes no attribute `state`, so the State after {t} {what} is"
    " lost. Raise an error of a usual class, or save with tnt.hooks.checkpoint."
)
GONE = (
    NOTE + "the parameters were handed to the compiled call that failed, so no State is"
    " left. tnt.hooks.checkpoint keeps some on the disk."
)
GUARDED = (
    "An engine hands NumPy arrays to compiled code and reads results back, which"
    " are implicit transfers. Leave the transfer guard for the time of train and test:"
    ' with jax.transfer_guard("allow"): ...'
)


@contextlib.contextmanager
def attach_state(now: Callable[[], State | None]) -> Iterator[None]:
    """Gives each error that leaves the block the State as its attribute `state`."""
    try:
        yield
    except BaseException as error:
        _attach(error, now)
        raise


ADVICE = {
    r"Disallowed.* transfer": GUARDED,
    r"Comparator raised exception while sorting": (
        "A dict in the parameters, the sample or the State has keys of several types,"
        " such as 0 and 'a', which JAX cannot sort. Write all as strings: str(key)."
    ),
    r"incompatible devices": (
        "Parameters, samples, or parts of them were put on several devices. Put all on"
        " one, jax.device_put(params, device), and the dataset too if it is on a"
        " device; or divide batches over devices: train(mesh=...)."
    ),
}
"""For what an error of JAX says, as a pattern, what to do about it."""


@contextlib.contextmanager
def explain_jax() -> Iterator[None]:
    """Adds to errors of JAX that do not say it what to write instead."""
    try:
        yield
    except Exception as error:
        for pattern, advice in ADVICE.items():
            if re.search(pattern, str(error), re.DOTALL):  # over several lines
                add_note(error, advice)
        raise


def read_whole(now: Callable[[], State | None]) -> State | None:
    """Returns a State whose arrays are all there and could be computed, or None."""
    try:
        state = now()
        jax.block_until_ready(jax.tree.leaves(state))  # raises what calls have raised
    except Exception:  # of the device, which was to compute it, or it was donated
        return None
    return state


def note_others(error: BaseException, what: str, others: Iterable[Exception]) -> None:
    """Adds to an error what went wrong on its way out, each kind once."""
    texts = [f"{type(other).__name__}: {other}" for other in others]
    same = f"{type(error).__name__}: {error}"
    for text in [text for text in dict.fromkeys(texts) if text != same][:3]:
        add_note(error, f"{what} raised {text}")


def _attach(error: BaseException, now: Callable[[], State | None]) -> None:
    """Sets `error.state`, unless the error has a State of its own.

    One that an inner run has set is replaced: who catches the error outside is told of
    the outer run. An attribute that the class of the error defines stays.
    """
    _detach(error)
    with contextlib.suppress(Exception):  # of the device: read_whole returns None
        if now() is None:  # before the State was read that the run goes on from
            return
    state = read_whole(now)
    if state is None:
        add_note(error, GONE)
        return
    try:
        if not hasattr(error, "state"):
            error.state = state  # pyright: ignore[reportAttributeAccessIssue]
        kept = isinstance(getattr(error, "state", None), State)
    except Exception:  # a class that forbids it
        kept = False
    words = {"t": state.t, "epoch": state.epoch}
    words["what"] = "updates" if state.training else "batches"
    go_on = GO_ON if state.training else ""
    add_note(error, (KEPT if kept else NOT_KEPT).format(**words, go_on=go_on))


def _detach(error: BaseException) -> None:
    """Takes back what an inner run has attached."""
    notes = getattr(error, "__notes__", [])
    if any(note.startswith(NOTE + "the State") for note in notes):
        del error.state  # pyright: ignore[reportAttributeAccessIssue]
    notes[:] = [note for note in notes if not note.startswith(NOTE)]


def add_note(error: BaseException, text: str) -> None:
    """Adds a line to what is shown of an error."""
    with contextlib.suppress(Exception):  # a class that forbids it
        error.add_note(text)


class Saves:
    """The hooks that save the State, each only if updates were made since it last did.

    Args:
      hooks: all hooks.
    """

    def __init__(self, hooks: Hooks) -> None:
        self.scheduled = [s for s in hooks.schedule if s.kind == "save"]
        self._last: list[tuple[int, int]] = []

    def begin(self, state: State) -> None:
        """Takes note of the State at the start; before that nothing is saved."""
        self._last = [_moment(state)] * len(self.scheduled)

    def run(self, state: State, due: Callable[[Scheduled], bool] | None = None) -> None:
        """Saves a State by all hooks, or by those that are due."""
        for number, last in enumerate(self._last):  # none before `begin`
            scheduled = self.scheduled[number]
            if last != _moment(state) and (due is None or due(scheduled)):
                scheduled.function(state)
                self._last[number] = _moment(state)  # not twice at one moment


def _moment(state: State) -> tuple[int, int]:
    return int(state.t), int(state.epoch)
