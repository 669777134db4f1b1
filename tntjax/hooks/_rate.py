"""The learning rates of a State, wherever they are."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax.engine import State
from tntjax.hooks._bind import claim, put

NAME = "learning_rate"

NO_RATE = """there is no learning rate to change. SGDEngine has one. For OptimEngine \
have optax keep it in its state:

    optimizer=optax.adam(1e-3)                              # wrong
    optimizer=optax.inject_hyperparams(optax.adam)(1e-3)    # right
"""

OWN_SCHEDULE = """the optimizer has a schedule of its own, which sets the learning \
rate in each step. Give optax.inject_hyperparams a number instead."""


def claim_rate(state: State) -> State:
    """Puts the rate into `aux`, where a `watch` sees it, whichever the engine.

    Of several groups of parameters it is the highest.

    Raises:
      ValueError: if there is no rate that can be changed, or another plugin has it.
    """
    highest = max(map(float, read_rates(state).values()))
    return claim(state, "aux", NAME, np.float32(highest))


def read_rates(state: State) -> dict[str, Any]:
    """Returns the learning rates of the network's parameters by where they are.

    Raises:
      ValueError: if there is none, or if a schedule sets it.
    """
    if state.lr is not None:
        return {"lr": state.lr}
    optimizer = _network_part(state)
    found = {
        f"opt_state{jax.tree_util.keystr(path)}": node
        for path, node in jax.tree_util.tree_leaves_with_path(optimizer, _has_rate)
        if _has_rate(node)
    }
    if not found:
        raise ValueError(NO_RATE)
    if any(map(_has_schedule, found.values())):
        raise ValueError(OWN_SCHEDULE)
    return {where: node.hyperparams[NAME] for where, node in found.items()}


def write_rate(state: State, rate: Any) -> State:
    """Returns the State with one rate for all of the network's parameters."""
    state = put(state, "aux", NAME, jnp.asarray(rate, jnp.float32))
    if state.lr is not None:
        return state.replace(lr=jnp.asarray(rate, state.lr.dtype))
    changed = _with_rates(_network_part(state), lambda _: rate)
    if state.criterion_params is not None:
        changed = {**state.opt_state, "network": changed}
    return state.replace(opt_state=changed)


def change_rates(state: State, change: Callable[[float], float]) -> State:
    """Changes the rate of each group of parameters, on the host.

    Args:
      state: the State.
      change: from a rate to the new one; of the groups of the network, and of the
        criterion if its parameters are trained.

    Returns:
      The State with these rates, of the dtypes they had.
    """
    highest = max(change(float(rate)) for rate in read_rates(state).values())
    state = put(state, "aux", NAME, np.float32(highest))
    if state.lr is None:
        optimizers = _with_rates(state.opt_state, lambda rate: change(float(rate)))
        return state.replace(opt_state=optimizers)
    rates = {"lr": state.lr, "lr_criterion": state.lr_criterion}
    new = {
        name: jnp.asarray(change(float(rate)), jnp.result_type(rate))
        for name, rate in rates.items()
        if rate is not None
    }
    return state.replace(**new)


def _with_rates(optimizer: Any, change: Callable[[Any], Any]) -> Any:
    def changed(node: Any) -> Any:
        if not _has_rate(node) or _has_schedule(node):
            return node
        rate = node.hyperparams[NAME]
        new = jnp.asarray(change(rate), rate.dtype)
        return node._replace(hyperparams={**node.hyperparams, NAME: new})

    return jax.tree.map(changed, optimizer, is_leaf=_has_rate)


def _network_part(state: State) -> Any:
    """Returns the state of the network's optimizer; a criterion's has another."""
    if state.criterion_params is None:
        return state.opt_state
    return state.opt_state["network"]


def _has_rate(node: Any) -> bool:
    return NAME in getattr(node, "hyperparams", ())


def _has_schedule(node: Any) -> bool:
    return NAME in getattr(node, "hyperparams_states", ())
