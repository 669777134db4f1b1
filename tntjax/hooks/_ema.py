"""A running average of the parameters."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._numbers import check_axis, check_boolean, check_number
from tntjax.engine import Hooks, State
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import bind, claim, put

NAME = "ema"


@explain_arguments
def ema(decay: float, *, start: int = 0, debias: bool = False) -> Hooks:
    """Averages the parameters over the last updates.

    After each update the average moves by `1 - decay` of the way to the parameters;
    a skipped step does not count. It is kept in `state.large["ema"]`, in float32 or
    wider, and read with `ema_params`.

    Args:
      decay: how much of the average stays, 0 <= decay < 1.
      start: after how many updates it begins; until then it is the parameters.
      debias: whether the average is over the parameters after updates alone. Else those
        from the start count like all before them.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if `decay` or `start` is out of range, or, when it runs, if there are
        two.

    Example:
      >>> import tntjax as tnt
      >>> hooks = tnt.hooks.ema(0.75)
      >>> state = hooks.on_start(tnt.State(params=jnp.zeros(())))
      >>> state = hooks.on_update(state.replace(params=jnp.ones(()), t=1))
      >>> float(tnt.hooks.ema_params(state))
      0.25
    """
    decay = check_number("ema: decay", decay)
    debias = check_boolean("ema: debias", debias)
    if not 0 <= decay < 1:
        raise ValueError(f"ema needs 0 <= decay < 1, got {decay}.")
    start = check_axis("ema: start", start)
    return Hooks(
        on_start=bind(_start, debias), on_update=bind(_move, decay, start, debias)
    )


def ema_params(state: State) -> Any:
    """Returns the average that `ema` keeps.

    Args:
      state: a State of a training run with `ema` among its hooks.

    Returns:
      A pytree like `state.params`, with its dtypes.

    Raises:
      KeyError: if there is no average.

    Example:
      >>> import tntjax as tnt
      >>> state = tnt.hooks.ema(0.9).on_start(tnt.State(params={"weight": jnp.ones(3)}))
      >>> tnt.hooks.ema_params(state)["weight"].tolist()
      [1.0, 1.0, 1.0]
    """
    if NAME not in state.large:
        raise KeyError(
            "state.large has no average of the parameters. Chain tnt.hooks.ema(0.999)"
            " with the hooks of the engine that trains; a watch does not see it."
        )
    average, weight = state.large[NAME]["params"], state.large[NAME]["weight"]

    def read(weight: Any, mean: Any, param: Any) -> jax.Array:
        mean = jnp.where(weight > 0, mean / jnp.where(weight > 0, weight, 1), param)
        return mean.astype(jnp.result_type(param))

    if state.members is not None:  # [N], and leaves [N, ...]
        read = jax.vmap(read)
    return jax.tree.map(functools.partial(read, weight), average, state.params)


def _start(state: State, debias: bool) -> State:
    if not state.training:
        return state

    def first(param: Any) -> jax.Array:
        mean = jnp.asarray(param, jnp.promote_types(jnp.result_type(param), "float32"))
        return jnp.zeros_like(mean) if debias else mean

    average = jax.tree.map(first, state.params)
    weight = jnp.float32(0 if debias else 1)
    return claim(state, "large", NAME, {"params": average, "weight": weight})


def _move(state: State, decay: float, start: int, debias: bool) -> State:
    share = jnp.where(state.t <= start, 0.0 if debias else 1.0, 1 - decay)
    if state.skip is not None:
        share = jnp.where(state.skip, 0.0, share)
    average, weight = state.large[NAME]["params"], state.large[NAME]["weight"]

    def moved(mean: Any, param: Any) -> Any:
        return mean + (share * (param - mean)).astype(mean.dtype)

    average = jax.tree.map(moved, average, state.params)
    weight = moved(weight, jnp.float32(1))
    return put(state, "large", NAME, {"params": average, "weight": weight})
