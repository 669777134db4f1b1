"""The learning rate of a State, wherever it is."""

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

    Raises:
      ValueError: if there is no rate that can be changed, or another plugin has it.
    """
    return claim(state, "aux", NAME, np.float32(read_rate(state)))


def read_rate(state: State) -> Any:
    """Returns the learning rate of the network's parameters, or raises a ValueError."""
    if state.lr is not None:
        return state.lr
    nodes = jax.tree.leaves(_optimizers(state), is_leaf=_has_rate)
    found = [node for node in nodes if _has_rate(node)]
    if not found:
        raise ValueError(NO_RATE)
    if any(NAME in getattr(node, "hyperparams_states", ()) for node in found):
        raise ValueError(OWN_SCHEDULE)
    return found[0].hyperparams[NAME]


def write_rate(state: State, rate: Any) -> State:
    """Returns the State with another learning rate, of the dtype it had."""
    state = put(state, "aux", NAME, jnp.asarray(rate, jnp.float32))
    if state.lr is not None:
        return state.replace(lr=jnp.asarray(rate, state.lr.dtype))

    def changed(node: Any) -> Any:
        if not _has_rate(node):
            return node
        new = jnp.asarray(rate, node.hyperparams[NAME].dtype)
        return node._replace(hyperparams={**node.hyperparams, NAME: new})

    own = jax.tree.map(changed, _optimizers(state), is_leaf=_has_rate)
    if state.criterion_params is not None:
        own = {**state.opt_state, "network": own}
    return state.replace(opt_state=own)


def _optimizers(state: State) -> Any:
    """The state of the network's optimizer; a learnable criterion has another."""
    if state.criterion_params is None:
        return state.opt_state
    return state.opt_state["network"]


def _has_rate(node: Any) -> bool:
    return NAME in getattr(node, "hyperparams", ())
