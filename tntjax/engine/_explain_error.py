"""Errors of hooks, with a line that says whose they are and perhaps a way out."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax

from tntjax._struct import describe, shorten
from tntjax.engine._hooks import STEP_EVENTS
from tntjax.engine._names import find_close
from tntjax.engine._rescue import add_note
from tntjax.engine._state import State

TRACER_ERRORS = (
    jax.errors.ConcretizationTypeError,  # of bools, too
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)

IS_COMPILED = """ It is compiled, so it sees tracers and no numbers: choose with \
jnp.where(condition, a, b), look at numbers on the host with tnt.watch(n, function) or \
tnt.every(n, hook), or train(jit=False) to run step by step in Python."""

IS_OUTSIDE = """ Outside a step sample, output and grads are None: keep what \
you need of them in state.aux or a meter, in a hook of on_forward_criterion, say. In a \
watch params, opt_state, model_state and large are None too: tnt.every sees them."""

IS_EARLY = """ What a later event makes is None: output is there from on_forward, loss \
from on_forward_criterion, grad_output from on_backward_criterion, grads from \
on_backward."""


@contextlib.contextmanager
def explain_error(hook: Any, event: str, state: State) -> Iterator[None]:
    """Adds to an error of the block which hook it came from, and perhaps a way out."""
    try:
        yield
    except Exception as error:
        text = f"This happened in the hook {describe(hook)} of {event}."
        add_note(error, text + _way_out(error, event, state))
        raise


def _way_out(error: Exception, event: str, state: State) -> str:
    if event in STEP_EVENTS and isinstance(error, TRACER_ERRORS):
        return IS_COMPILED
    # state.output[0] of a field that is None, and the like.
    if "NoneType" in str(error):
        return IS_EARLY if event in STEP_EVENTS else IS_OUTSIDE
    if isinstance(error, KeyError):
        return f" {_list_entries(error.args[:1], state)}"  # the key, if it has one
    return ""


def _list_entries(wanted: tuple, state: State) -> str:
    """Lists the entries where a hook may have looked one up."""
    found = {
        field: list(map(str, entries))
        for field in ("meters", "aux", "large", "sample")
        if isinstance(entries := getattr(state, field), dict) and entries
    }
    close = [
        f"state.{field}[{name!r}]"
        for field, names in found.items()
        if (name := find_close(str(*wanted), names)) is not None
    ]
    lists = [f"state.{f} has {shorten(', '.join(n), 200)}" for f, n in found.items()]
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}{'; '.join(lists) or 'state.meters and state.aux are empty'}."
