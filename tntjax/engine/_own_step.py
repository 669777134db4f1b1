"""The step of a StepEngine: what a user's function may do, and what it fires."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.engine._criterion import explain_call
from tntjax.engine._fire import copy_containers, fire_compiled
from tntjax.engine._hooks import STEP_EVENTS, Hooks
from tntjax.engine._match import check_carried
from tntjax.engine._names import find_close
from tntjax.engine._rows import find_lengths, find_row_mask
from tntjax.engine._state import CARRIED, COUNTERS, HOST_ONLY, State

INNER = STEP_EVENTS[1:-1]
"""Events that a step fires; on_sample and on_update are the engine's."""

NOT_A_STEP = """the step {step} of StepEngine returned {came} and not a State. It is \
`(state, sample) -> State`: return state.replace(params=..., opt_state=...)."""

NEVER_FIRED = """the step {step} of StepEngine never fires {event}, so the hook {hook} \
would never run. Fire it in the step, state = tnt.fire(state, {event!r}), or let the \
hook be of on_sample or on_update, which the engine fires."""

NOT_ITS_OWN = """the step {step} of StepEngine changed state.{field}, which is the \
engine's. Keep values of your own in state.aux. A step needs no jax.jit of its own, \
which changes all fields."""

KEEPS = """What a step carries is there before the first one, in the same shapes and \
dtypes: pass params, opt_state and model_state to train, make entries of aux, meters \
and large in on_start, and cast what is computed: value.astype(old.dtype)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Events:
    """The events of a step while it is traced.

    Args:
      hooks: what happens at them.
      fired: the names of those that were fired.
    """

    hooks: Hooks
    fired: set[str] = dataclasses.field(default_factory=set)


def fire(state: State, event: str) -> State:
    """Runs the hooks of an event, in the step of a `StepEngine`.

    Args:
      state: the State, with what hooks of this event look for: `output` at
        `on_forward`, `loss` too at `on_forward_criterion`, `grads` at `on_backward`.
      event: `"on_forward"`, `"on_forward_criterion"`, `"on_backward_criterion"` or
        `"on_backward"`. The engine fires `on_sample` before the step and `on_update`
        after it.

    Returns:
      The State that the last of them returned.

    Raises:
      TypeError: outside the step of a StepEngine, or if a hook returns no State or
        changes what must stay.
      ValueError: if the event is none of these.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> def step(state, sample):
      ...     loss, grads = jnp.square(state.params), 2 * state.params
      ...     state = tnt.fire(state.replace(loss=loss), "on_forward_criterion")
      ...     return state.replace(params=state.params - 0.25 * grads)
      >>> hooks = tnt.hooks.metering(
      ...     loss=(tnt.AverageValueMeter(), lambda state: state.loss)
      ... )
      >>> state = tnt.StepEngine(step, hooks).train(
      ...     iterator=tnt.DatasetIterator(range(2)), params=jnp.ones(()), max_epoch=1
      ... )
      >>> state.meters["loss"].value().mean
      0.625
    """
    if event not in INNER:
        close = find_close(event, INNER) if isinstance(event, str) else None
        raise ValueError(
            f"fire(state, event) needs one of {', '.join(INNER)}, got"
            f" {describe(event)}.{f' Did you mean {close!r}?' if close else ''}"
        )
    if not isinstance(state, State) or state.events is None:
        raise TypeError(
            "fire(state, event) works on the State in the step of a StepEngine, got"
            f" {'one outside of it' if isinstance(state, State) else describe(state)}."
        )
    state.events.fired.add(event)  # as it is traced, also in a branch of a cond
    return fire_compiled(state.events.hooks, event, state)


def run_own(step: Callable[[State, Sample], State], given: State) -> State:
    """Runs a user's step and checks the State that comes back.

    Raises:
      TypeError: if it is not one, if what is carried has changed its form, or if an
        event was not fired that has a hook.
    """
    name, events = describe(step), given.events
    shown = {"state.params": given.params, "sample": given.sample}
    with explain_call("step(state, sample)", **shown):
        new = step(copy_containers(given), given.sample)
    if not isinstance(new, State):
        raise TypeError(NOT_A_STEP.format(step=name, came=describe(new)))
    for field in (*COUNTERS, *HOST_ONLY):
        if getattr(new, field) is not getattr(given, field):
            raise TypeError(NOT_ITS_OWN.format(step=name, field=field))
    for field in CARRIED:
        try:
            new = check_carried(f"the step {name}", field, given, new)
        except TypeError as error:
            error.add_note(KEEPS)
            raise
    _check_fired(name, events)
    return new.replace(events=None)  # those of this trace


def _check_fired(step: str, events: Events) -> None:
    """Raises a TypeError if a hook would never run."""
    for event in INNER:
        for hook in events.hooks.functions(event):
            idle = getattr(hook, "only_in_tests", False)  # nothing is lost without it
            if event not in events.fired and not idle:
                words = {"step": step, "event": event, "hook": describe(hook)}
                raise TypeError(NEVER_FIRED.format(**words))


def count_any(sample: Sample) -> Any:
    """Counts the rows of a sample of any form, [] int32.

    They are those that its mask, a bool [B], shows, else those of `input`, else of the
    first axis that all arrays share; a sample that has none is one row.
    """
    mask = find_row_mask(sample)  # [B]
    if mask is not None:
        return jnp.sum(mask, dtype=jnp.int32)
    fields = sample if isinstance(sample, dict) else {}
    lengths = find_lengths(fields.get("input", sample))
    return jnp.int32(lengths.pop() if len(lengths) == 1 else 1)


def find_mean_loss(state: State) -> Any:
    """Returns the mean of the loss that a step left in the State, NaN if it left none.

    Rows that the mask of the sample hides do not count.

    Raises:
      TypeError: if it is not a real number, or one for each row.
    """
    if state.loss is None:
        return jnp.nan
    known = isinstance(state.loss, jax.Array | np.ndarray | np.generic | float | int)
    if not known or jnp.iscomplexobj(state.loss) or np.ndim(state.loss) > 1:
        raise TypeError(
            "The step of a StepEngine must leave a real loss of shape [] or [B] in the"
            f" State, or None; got {describe(state.loss)}."
        )
    loss, mask = jnp.asarray(state.loss), find_row_mask(state.sample)  # [] or [B], [B]
    if mask is None or mask.shape != loss.shape:
        return jnp.mean(loss)
    if loss.dtype != jnp.float64:  # else sums overflow, of integers too
        loss = loss.astype(jnp.float32)
    # 0 and not NaN if all rows are hidden, as in the other engines.
    count = jnp.maximum(jnp.sum(mask), 1).astype(loss.dtype)
    return jnp.sum(jnp.where(mask, loss, 0)) / count
