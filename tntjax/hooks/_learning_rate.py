"""A learning rate that follows a schedule."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp

from tntjax._struct import describe
from tntjax.engine import Hooks, State
from tntjax.hooks._bind import bind
from tntjax.hooks._rate import claim_rate, read_rate, write_rate

Schedule = Callable[[Any], Any] | Mapping[int, float]


def learning_rate(schedule: Schedule, by: Literal["step", "epoch"] = "step") -> Hooks:
    """Sets the learning rate by how far training is.

    It is set in `on_sample`, compiled, so no step is made alone for it and nothing
    compiles anew. For SGDEngine it is `state.lr`; for OptimEngine what
    `optax.inject_hyperparams` keeps. For both it is `state.aux["learning_rate"]`, too.
    The rate of a criterion's parameters stays as it is.

    Args:
      schedule: a schedule of optax, that is a function of the number of updates or
        epochs done; or a table `{number: rate}`, each from that number on. Before the
        first the rate is what it was. Make a function once: what is compiled is
        cached on it.
      by: what is counted, updates or epochs.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if `schedule` is neither a function nor a table of numbers.
      ValueError: if `by` is another word; when it runs, if there is no rate that can be
        changed, or another plugin changes it.

    Example:
      >>> import tntjax as tnt
      >>> hooks = tnt.hooks.learning_rate({0: 0.1, 10: 0.01}, by="epoch")
      >>> state = tnt.State(lr=jnp.float32(1), epoch=12)
      >>> round(float(hooks.on_sample(state).lr), 3)
      0.01
    """
    if by not in ("step", "epoch"):
        raise ValueError(f'learning_rate: by must be "step" or "epoch", got {by!r}.')
    if isinstance(schedule, Mapping):
        rates = sorted((int(n), float(rate)) for n, rate in schedule.items())
        return _hooks(tuple(rates), by)
    if not callable(schedule):
        raise TypeError(
            "learning_rate needs a schedule, such as optax.cosine_decay_schedule(0.1,"
            f" 1000) or {{0: 0.1, 10: 0.01}}; got {describe(schedule)}."
        )
    return _hooks(schedule, by)


def _hooks(schedule: Any, by: str) -> Hooks:
    return Hooks(on_start=bind(_start), on_sample=bind(_follow, schedule, by))


def _start(state: State) -> State:
    return claim_rate(state) if state.training else state


def _follow(state: State, schedule: Any, by: str) -> State:
    if not state.training:
        return state
    count = state.t if by == "step" else state.epoch
    if callable(schedule):
        return write_rate(state, schedule(count))
    rate = read_rate(state)
    for start, value in schedule:
        rate = jnp.where(count >= start, value, rate)
    return write_rate(state, rate)
