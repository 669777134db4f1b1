"""Runs hooks and checks the State that they return."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._check import check_function
from tntjax._numbers import check_at_least, is_number
from tntjax._struct import consists_of, describe, is_unchanged
from tntjax._types import Hook
from tntjax.engine._check import check_iterator, check_values
from tntjax.engine._explain_error import explain_error
from tntjax.engine._hooks import Hooks
from tntjax.engine._match import difference_of, match_carried, name_in_code
from tntjax.engine._members import (
    check_carried_axes,
    check_done,
    keep_done,
    run_for_each,
    spread,
)
from tntjax.engine._state import CARRIED, COUNTERS, HOST_ONLY, STEP_ONLY, Seconds, State
from tntjax.network._check import check_network

NOT_A_STATE = """the hook {hook} of {event} returned {came} and not a State.

    def {code}(state):                  # wrong: a State is frozen, this is lost
        state.replace(...)

    def {code}(state):                  # right
        return state.replace(...)
"""

CHANGED_CARRY = """the compiled hook {hook} of {event} changed {field}, which is \
carried from step to step and must keep its structure, shape and dtype.
  before: {before}
  after:  {after}{difference}

    def {code}(state):                  # wrong: a new entry, or another shape or dtype
        return state.replace({root}={{"new": ...}})

    def start(state):                   # right: make it before the first step
        return state.replace({root}={{"new": jnp.zeros(...)}})

    hooks = Hooks(on_start=start, {event}={code})   # and cast: value.astype(old.dtype)
"""

CHANGED_IN_EPOCH = """the hook {hook} of {event} changed state.{field}. {advice} It \
may change params, opt_state, model_state, criterion_params, large, lr, meters, aux, \
key, max_epoch, max_steps and stop.
"""

CHANGED_AT_BORDER = """the hook {hook} of {event} changed state.{field}. {advice}
"""

AT_BORDER = {
    "training": "The engine sets it.",
    "members": "The engine sets it.",
    "seconds": "The engine measures it.",
    "compiled": "The engine counts it.",
    "engine": "The engine sets it.",
    "recorded": "Chain tnt.hooks.record().",
    "events": "The engine sets it.",
    **dict.fromkeys(STEP_ONLY, "It exists inside a step only, for compiled hooks."),
    "loss": "The engine measures it.",
}
"""For each field that hooks of the host must leave alone what to do about it."""

IN_EPOCH = {
    **AT_BORDER,
    **dict.fromkeys(
        ("network", "criterion", "iterator"),
        "An epoch goes on with what it began with: change it in on_start_epoch.",
    ),
    **dict.fromkeys(
        COUNTERS, "The engine counts it: keep a counter of your own in state.aux."
    ),
}
"""The same for `every`, which runs in the middle of an epoch."""

GRADIENTS = ("grads", "criterion_grads", "grad_output")

CHANGED_GRADS = """the compiled hook {hook} of {event} changed the structure or the \
shapes of state.{field}, or made real numbers complex. They must stay those of what it \
is the gradient of.
  before: {before}
  after:  {after}{difference}
"""

CHANGED_HOST = """the compiled hook {hook} of {event} changed state.{field}, which \
only the host can change: compiled code runs on without looking at it. Do it in \
on_start, on_start_epoch, on_end_epoch or every(n, hook).
"""

CHANGED_COUNTER = """the compiled hook {hook} of {event} changed state.{field}, which \
the engine counts. Keep a counter of your own in state.aux. A hook needs no jax.jit of \
its own, which changes all fields: it is compiled with the step.
"""


def fire_on_host(hooks: Hooks, event: str, state: State) -> State:
    """Runs the hooks of a host event.

    Raises:
      TypeError: if one does not return a State.
    """
    for hook in hooks.functions(event):
        state = run_on_host(hook, event, state)
    return state


def run_on_host(hook: Hook, event: str, state: State) -> State:
    """Runs one hook on the host and checks the State that comes back.

    Raises:
      TypeError: if it is not a State, or what must stay has changed.
      ValueError: if a counter is negative.
    """
    run = functools.partial(_run_checked, hook, event)
    if state.members is None:
        return run(state)
    # At the start hooks make things of one run, which are stacked. Later they see those
    # of all, [N, ...], unless they ask for one.
    if event == "on_start" or getattr(hook, "each_member", False):
        new = run_for_each(hook, run, state, ends=event == "on_end")
    else:
        new = spread(state, run(state))
    check_carried_axes(new)
    # At the end hooks finish the members that are done, too.
    return new if event == "on_end" else keep_done(state, new)


def _run_checked(hook: Hook, event: str, state: State) -> State:
    if getattr(hook, "is_trusted", False):  # a plugin's: checks take as long as it does
        with explain_error(hook, event, state):
            return hook(state)
    leaves, structure = jax.tree.flatten(state)
    given = structure.unflatten(leaves)  # in dicts of its own: see copy_containers
    with explain_error(hook, event, given):
        new = _state(hook, event, hook(given))
        # Most hooks only look.
        if new is not given or not consists_of(new, leaves, structure):
            _check_fixed(hook, event, state, new)
            _check_changes(event, state, new)
    return new


def _check_fixed(hook: Hook, event: str, old: State, new: State) -> None:
    """Raises a TypeError if a hook has changed what must stay."""
    in_epoch = event.startswith("every")  # "every(100)", and no border of an epoch
    text = CHANGED_IN_EPOCH if in_epoch else CHANGED_AT_BORDER
    for field, advice in (IN_EPOCH if in_epoch else AT_BORDER).items():
        if not _is_same(getattr(old, field), getattr(new, field)):
            words = {"hook": describe(hook), "event": event}
            raise TypeError(text.format(**words, field=field, advice=advice))


def _is_same(old: Any, new: Any) -> bool:
    """True if both are one object, or a number that went through a user's jit."""
    if old is new:
        return True
    # jit gives float32 back where there were Python's floats, hence the tolerance.
    if isinstance(old, Seconds) and isinstance(new, Seconds):
        return old == new or np.allclose(np.array(old), np.array(new, float), rtol=1e-5)
    if isinstance(old, np.ndarray) and np.shape(new) == old.shape:  # of many members
        return np.allclose(old, np.asarray(new, float), rtol=1e-5, equal_nan=True)
    if isinstance(old, float) and is_number(new):
        return bool(np.isclose(old, float(new), rtol=1e-5, equal_nan=True))
    # NumPy's and JAX's integers come back from a user's jit.
    return isinstance(old, int) and hasattr(new, "__index__") and int(new) == old


def _check_changes(event: str, old: State, new: State) -> None:
    """Raises an error if an engine cannot go on with what a hook has changed."""
    for field in COUNTERS:
        if getattr(new, field) is not getattr(old, field):  # one was put in
            check_at_least(f"{event}: state.{field}", getattr(new, field), 0)
    check_values(event, old, new)
    check_done(event, new.done, new.members)
    _check_optimizer_state(event, old, new)
    if new.network is not old.network:  # == of a module may fail, or take long
        check_network(new.network)
    if new.criterion is not old.criterion:
        check_function(new.criterion, "criterion must be a function, but it")
    if new.iterator is not old.iterator:
        check_iterator(new.iterator)


def _check_optimizer_state(event: str, old: State, new: State) -> None:
    """Raises a TypeError if the parameters have another form, and opt_state has not."""
    one, other = _find_shapes(old.params), _find_shapes(new.params)
    # SGD keeps nothing, so its parameters may change their form between epochs.
    if one == other or not jax.tree.leaves(old.opt_state):
        return
    if is_unchanged(old.opt_state, new.opt_state):  # else a hook made both anew
        before, after = describe(old.params), describe(new.params)
        raise TypeError(
            f"{event}: state.params changed from {before} to {after}, and the opt_state"
            " is still that of the first. Pass such params= to train, or make it anew:"
            " state.replace(params=new, opt_state=optimizer.init(new))."
        )


def fire_compiled(hooks: Hooks, event: str, state: State) -> State:
    """Runs the hooks of an event inside a step.

    Raises:
      TypeError: if one returns no State or changes what must stay.
    """
    for hook in hooks.functions(event):  # each is checked, so that the error names it
        given = copy_containers(state)
        with explain_error(hook, event, given):
            new = _state(hook, event, hook(given))
        state = _check_hook(hook, event, state, new)
    return state


def copy_containers(state: State) -> State:
    """Returns the State in dicts and lists of its own, with the same arrays.

    A hook that writes to one would write to the State before it, too, which an error
    carries, and to what a user holds.
    """
    leaves, structure = jax.tree.flatten(state)
    return structure.unflatten(leaves)


def _state(hook: Hook, event: str, returned: Any) -> State:
    if isinstance(returned, State):
        return returned
    words = {"hook": describe(hook), "code": name_in_code(describe(hook))}
    came = describe(returned)
    raise TypeError(NOT_A_STATE.format(**words, event=event, came=came))


def _check_hook(hook: Hook, event: str, old: State, new: State) -> State:
    """Checks what a compiled hook changed; returns the State, strongly typed."""
    name = describe(hook)
    for field in COUNTERS:  # by identity, here and below: tracers have no values
        if getattr(new, field) is not getattr(old, field):
            raise TypeError(CHANGED_COUNTER.format(hook=name, event=event, field=field))
    for field in HOST_ONLY:
        if getattr(new, field) is not getattr(old, field):
            raise TypeError(CHANGED_HOST.format(hook=name, event=event, field=field))
    changes = {}
    for field in CARRIED:
        before, after = getattr(old, field), getattr(new, field)
        changes[field] = match_carried(CHANGED_CARRY, name, event, field, before, after)
    # Their dtypes may change: a hook may unscale or round them.
    for field in GRADIENTS:
        before, after = getattr(old, field), getattr(new, field)
        if _find_shapes(before) != _find_shapes(after):
            words = {"before": describe(before), "after": describe(after)}
            words["difference"] = difference_of(before, after)
            raise TypeError(
                CHANGED_GRADS.format(hook=name, event=event, field=field, **words)
            )
    return new.replace(**changes)


def _find_shapes(tree: Any) -> tuple:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(jnp.shape(leaf), jnp.iscomplexobj(leaf)) for leaf in leaves]
