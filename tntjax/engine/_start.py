"""The State that a training run starts from: made of arguments, or another's."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import as_array
from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax.engine._check import (
    check_concrete,
    check_key,
    check_params,
    check_values,
    check_width,
)
from tntjax.engine._members import check_axis, check_done
from tntjax.engine._state import CARRIED, State

Start = Callable[[Any, Any], dict[str, Any]]
"""`(params, criterion_params) -> fields` of the first State that an engine adds, of all
members at once if there are several."""

NO_PARAMS = """train needs params=..., a pytree of float arrays (an empty tuple if the \
network has none), or state=... to go on from a State."""

BOTH = """state= goes on with the {fields} of that State: leave out {given}. To \
change one write state=state.replace({field}=...). To start anew from trained \
parameters leave out state= and write params=state.params."""

NOT_A_START = """state= needs a whole State of a training run, such as what train \
returned or an error's attribute `state`; this one {lacks}. {advice}"""

ONE_EACH = """Make one for each: \
jax.vmap(init)(jax.random.split(key, {members}))."""

OTHER_MEMBERS = """state= is of a run with members={there}, so members={here} does not \
fit it. Pass members={there}."""

ANEW = "To start anew from its parameters write params=state.params."


def fields_of_arguments(
    start: Start, given: dict[str, Any], on_mesh: bool, members: int | None
) -> dict[str, Any]:
    """Checks what a run begins with, and makes the fields of its State.

    What the user holds is copied, NumPy's arrays to the device; but on a mesh, whose
    devices may hold them together only, to NumPy's.
    """
    check_concrete(**given)
    params, criterion_params = given["params"], given["criterion_params"]
    if params is None:
        raise TypeError(NO_PARAMS)
    check_params("params", params)
    check_params("criterion_params", criterion_params)
    for name in ("model_state", "opt_state"):  # which may have integers
        check_width(given.get(name), name)
    copy = np.array if on_mesh else jnp.array

    # JAX's arrays are copied before they are donated, if need be: `claim_buffers`.
    def own(leaf: Any) -> Any:
        return copy(as_array(leaf)) if isinstance(leaf, np.ndarray) else leaf

    given = jax.tree.map(own, given)
    if members is None:
        given["key"] = check_key(given["key"])
    else:
        given |= start_members(given, members)
    return {**given, **start(given["params"], given["criterion_params"])}


def start_members(given: dict[str, Any], members: int) -> dict[str, Any]:
    """Checks that each member has its own, and makes a key for each.

    Returns:
      The fields `key` and `members`.
    """
    members = check_at_least("members", members, 1)
    for name in ("params", "model_state", "criterion_params", "opt_state"):
        check_axis(name, given.get(name), members, ONE_EACH.format(members=members))
    key = given["key"]
    # One key is typed, [], or raw, uint32 [2]. An axis more: one for each member.
    if getattr(key, "ndim", 0) <= (getattr(key, "dtype", None) == "uint32"):
        keys = jax.random.split(check_key(key), members)
    else:
        check_key(key[0])  # of the first member: all are of one array
        check_axis("key", key, members, "Or pass one key, which is split.")
        keys = key
    return {"key": keys, "members": members}


def fields_of_state(
    previous: State, start: Start, given: dict[str, Any], members: int | None
) -> dict[str, Any]:
    """Checks the State that a run goes on from, and returns what it carries."""
    if not isinstance(previous, State):
        raise TypeError(f"state must be a tnt.State, got {describe(previous)}.")
    came = [name for name, value in given.items() if value is not None]
    if came:
        fields, names = ", ".join(given), " and ".join(f"{name}=" for name in came)
        raise TypeError(BOTH.format(fields=fields, given=names, field=came[0]))
    if previous.members != members:
        words = {"there": previous.members, "here": members}
        raise ValueError(OTHER_MEMBERS.format(**words))
    carried = {name: getattr(previous, name) for name in CARRIED}
    check_concrete(**carried)
    # Compared with an empty State, so that all fields are checked; by its opt_state an
    # lr beside one is told to have no effect.
    check_values("train(state=...)", State(opt_state=previous.opt_state), previous)
    if not previous.training:
        lacks = "is what test returned, whose parameters are those that it was given"
        raise ValueError(NOT_A_START.format(lacks=lacks, advice=ANEW))
    if previous.params is None:
        advice = "What a watch sees lacks the large parts; every(n, hook) sees all."
        raise ValueError(NOT_A_START.format(lacks="has no params", advice=advice))
    own = "opt_state" in given  # which a step of the user's knows alone
    lacks = "" if own else _find_lack(previous, None if "lr" in given else start)
    if lacks:
        advice = f"Go on with the same engine and optimizer. {ANEW}"
        raise ValueError(NOT_A_START.format(lacks=lacks, advice=advice))
    if previous.key is None:
        advice = "Give it one: state.replace(key=jax.random.key(0))."
        raise ValueError(NOT_A_START.format(lacks="has no key", advice=advice))
    check_done("train(state=...)", previous.done, members)
    done = None if previous.stop else previous.done  # stop is reset: all go on
    return {**carried, "loss": previous.loss, "members": members, "done": done}


def _find_lack(previous: State, start: Start | None) -> str:
    """Finds why a State is another optimizer's; `start` is None for SGDEngine."""
    if start is None:
        wrong = previous.lr is None or previous.opt_state is not None
        return "has an opt_state and no lr, as OptimEngine leaves it" if wrong else ""
    # Shapes alone: starting the optimizer anew would take its memory once more.
    wanted = jax.eval_shape(start, previous.params, previous.criterion_params)

    def kinds(tree: Any) -> list[tuple]:
        return [
            (jnp.shape(leaf), jnp.result_type(leaf)) for leaf in jax.tree.leaves(tree)
        ]

    same = jax.tree.structure(wanted["opt_state"]) == jax.tree.structure(
        previous.opt_state
    )
    if same and kinds(wanted) == kinds(previous.opt_state):
        return ""
    return f"has the opt_state of another optimizer: {describe(previous.opt_state)}"
