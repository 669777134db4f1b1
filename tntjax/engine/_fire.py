"""Running hooks: what they may return, and what is said if it is another thing."""

from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax._types import Hook
from tntjax.engine._hooks import Hooks
from tntjax.engine._state import CARRIED, COUNTERS, HOST_ONLY, State

NOT_A_STATE = """the hook {hook} of {event} returned {came} and not a State.

    def {hook}(state):                  # wrong: a State is frozen, this is lost
        state.replace(...)

    def {hook}(state):                  # right
        return state.replace(...)
"""

CHANGED_CARRY = """the compiled hook {hook} of {event} changed {field}, which is \
carried from step to step and must keep its structure, shape and dtype.
  before: {before}
  after:  {after}

    def {hook}(state):                  # wrong: a new entry, or another shape or dtype
        return state.replace({root}={{"new": ...}})

    def start(state):                   # right: make it before the first step
        return state.replace({root}={{"new": jnp.zeros(...)}})

    hooks = Hooks(on_start=start, {event}={hook})   # and cast: value.astype(old.dtype)
"""

CHANGED_BY = """{hook} changed {field}, which is carried from step to step and must \
keep its structure, shape and dtype.
  before: {before}
  after:  {after}
"""

CHANGED_HOST = """the compiled hook {hook} of {event} changed state.{field}, which \
only the host can change: compiled code runs on without looking at it. Do it in \
on_start, on_start_epoch, on_end_epoch or every(n, hook).
"""

CHANGED_COUNTER = """the compiled hook {hook} of {event} changed state.{field}, which \
the engine counts. Keep a counter of your own in state.aux.
"""


def fire_on_host(hooks: Hooks, event: str, state: State) -> State:
    """Runs the hooks of a host event.

    Args:
      hooks: where they are.
      event: its name.
      state: what they get.

    Returns:
      The State after all of them.

    Raises:
      TypeError: if one does not return a State.
    """
    for hook in hooks.functions(event):
        state = run_on_host(hook, event, state)
    return state


def run_on_host(hook: Hook, event: str, state: State) -> State:
    """Runs one hook on the host and checks that a State comes back."""
    return _state(hook, event, hook(state))


def fire(hooks: Hooks, event: str, state: State) -> State:
    """Runs the hooks of an event inside a step.

    Args:
      hooks: where they are.
      event: its name.
      state: what they get.

    Returns:
      The State after all of them; what is carried has kept its shapes and dtypes.

    Raises:
      TypeError: if one returns no State or changes what must stay.
    """
    for hook in hooks.functions(event):
        state = _settled(hook, event, state, _state(hook, event, hook(state)))
    return state


def _state(hook: Hook, event: str, returned: Any) -> State:
    if isinstance(returned, State):
        return returned
    name, came = describe(hook), describe(returned)
    raise TypeError(NOT_A_STATE.format(hook=name, event=event, came=came))


def _settled(hook: Hook, event: str, old: State, new: State) -> State:
    """The new State with carried leaves strongly typed, after all checks."""
    name = describe(hook)
    for field in COUNTERS:
        if getattr(new, field) is not getattr(old, field):
            raise TypeError(CHANGED_COUNTER.format(hook=name, event=event, field=field))
    for field in HOST_ONLY:
        if getattr(new, field) is not getattr(old, field):
            raise TypeError(CHANGED_HOST.format(hook=name, event=event, field=field))
    changes = {}
    for field in CARRIED:
        before, after = getattr(old, field), getattr(new, field)
        if after is not before:
            changes[field] = _like(CHANGED_CARRY, name, event, field, before, after)
    return new.replace(**changes)


def settled_by(what: str, field: str, old: State, new: State) -> State:
    """The State with a field that something else than a hook computed, checked.

    Args:
      what: computed it, for the error.
      field: its name.
      old: the State with the field before.
      new: the State with the field after.

    Returns:
      The new State, the leaves of the field strongly typed.

    Raises:
      TypeError: if its structure, shapes or dtypes have changed.
    """
    before, after = getattr(old, field), getattr(new, field)
    leaves = _like(CHANGED_BY, what, "", field, before, after)
    return new.replace(**{field: leaves})


def _like(
    message: str, who: str, event: str, field: str, before: Any, after: Any
) -> Any:
    """`after` with strong leaves, or an error if it is not a tree like `before`."""

    def fail(where: str, a: Any, b: Any) -> NoReturn:
        words = {"hook": who, "event": event, "root": field, "field": where}
        raise TypeError(message.format(before=describe(a), after=describe(b), **words))

    before_leaves, before_tree = jax.tree_util.tree_flatten_with_path(before)
    after_leaves, after_tree = jax.tree.flatten(after)
    if before_tree != after_tree:
        fail(field, before, after)
    leaves = []
    for (path, a), b in zip(before_leaves, after_leaves, strict=True):
        leaf = _strong(a, b)
        if leaf is None:
            fail(field + jax.tree_util.keystr(path), a, b)
        leaves.append(leaf)
    return after_tree.unflatten(leaves)


def _strong(before: Any, after: Any) -> Any:
    """`after` with the dtype of `before`, or None if it is another kind of thing."""
    if jnp.shape(after) != jnp.shape(before):
        return None
    if getattr(after, "dtype", None) == before.dtype:
        return _without_weak_type(after)
    weak = getattr(after, "weak_type", not hasattr(after, "dtype"))
    if weak and jnp.result_type(before, after) == before.dtype:
        return jnp.asarray(after, before.dtype)
    return None


def _without_weak_type(leaf: Any) -> Any:
    return jnp.asarray(leaf, leaf.dtype) if getattr(leaf, "weak_type", False) else leaf


def as_carry(state: State) -> State:
    """Turns what hooks left in the carried fields into strongly typed arrays.

    Args:
      state: the State as a host hook returned it.

    Returns:
      The State with JAX arrays as leaves of its carried fields.

    Raises:
      TypeError: if something in there is not a number or an array.
    """

    def strong(path: Any, leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array):
            return _without_weak_type(leaf)
        try:
            return _array(leaf, jnp.result_type(leaf))
        except (TypeError, ValueError) as error:
            where = path[0].key + jax.tree_util.keystr(path[1:])
            raise TypeError(
                f"state.{where} is {describe(leaf)}, but what is carried from step to"
                " step must be numbers or arrays. Keep other things in the hook's own"
                " closure (a TimeMeter, a Log), or return them from a host hook."
            ) from error

    carried = {field: getattr(state, field) for field in CARRIED}
    for field in COUNTERS:
        carried[field] = _array(carried[field], jnp.int32)
    return state.replace(**_together(jax.tree_util.tree_map_with_path(strong, carried)))


def _array(leaf: Any, kind: Any) -> jax.Array:
    """A JAX array. NumPy converts numbers, in a third of the time that JAX takes."""
    if isinstance(leaf, bool | int | float | complex | np.generic):
        leaf = np.asarray(leaf, kind)
    converted = isinstance(leaf, np.ndarray) and leaf.dtype == kind
    return jnp.asarray(leaf, None if converted else kind)


def _together(tree: Any) -> Any:
    """Leaves of a tree where one of them was put on purpose.

    Were some committed to a device and others not, then all would be after the first
    compiled call, and the second would compile anew.
    """
    places = (leaf.sharding for leaf in jax.tree.leaves(tree) if leaf.committed)
    place = next(places, None)
    if place is None or len(place.device_set) > 1:
        return tree
    return jax.device_put(tree, place)
