"""The learning rate of the last update, where an optimizer keeps it.

A watch sees no optimizer, and at the end of an epoch a hook may have changed it.
"""

import jax.numpy as jnp

from tntjax.engine import Hooks, State
from tntjax.hooks._bind import Bound, claim, put
from tntjax.hooks._learning_rate import read_kept

NAME = "kept_rate"


def _start(state: State) -> State:
    keeps = state.training and state.lr is None and isinstance(state.aux, dict)
    kept = read_kept(state) if keeps else None
    if kept is None:
        return state
    return claim(state, "aux", NAME, jnp.asarray(kept, jnp.float32))


def _keep(state: State) -> State:
    if not isinstance(state.aux, dict) or NAME not in state.aux:
        return state
    return put(state, "aux", NAME, jnp.asarray(read_kept(state), jnp.float32))


KEPT_RATE = Hooks(
    on_start=Bound(_start, (), is_shared=True),
    on_update=Bound(_keep, (), is_shared=True),
)
"""Puts it into `state.aux["kept_rate"]`, float32 [], if there is one."""
