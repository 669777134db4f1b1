"""A learning rate that follows a schedule."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp
from jax.core import Tracer

from tntjax._numbers import check_integer, is_number
from tntjax._struct import describe
from tntjax.engine import Hooks, State
from tntjax.engine._check import check_rate
from tntjax.hooks._bind import bind
from tntjax.hooks._rate import claim_rate, read_rates, write_rate

SEVERAL = """learning_rate sets one rate, but the optimizer has several:
{rates}
Give each group a schedule of its own in optax, or have plateau lower them together:

    schedules = {{"a": optax.adam(schedule_a), "b": optax.adam(schedule_b)}}
    optimizer = optax.partition(schedules, labels)
"""

Schedule = Callable[[Any], Any] | Mapping[int, float]


def learning_rate(schedule: Schedule, by: Literal["step", "epoch"] = "step") -> Hooks:
    """Sets the learning rate by how far training is.

    It is set in `on_sample`, compiled, so no step is made alone for it and nothing
    compiles anew. For SGDEngine it is `state.lr`; for OptimEngine what
    `optax.inject_hyperparams` keeps. For both it is `state.aux["learning_rate"]`, too.
    The rate of a criterion's parameters stays as it is. Groups of `optax.partition`
    whose rates differ are an error.

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
        changed, if there are several that differ, or if another plugin changes it.

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
        return _hooks(_table(schedule), by)
    if not callable(schedule):
        raise TypeError(
            "learning_rate needs a schedule, such as optax.cosine_decay_schedule(0.1,"
            f" 1000) or {{0: 0.1, 10: 0.01}}; got {describe(schedule)}."
        )
    return _hooks(schedule, by)


def _hooks(schedule: Any, by: str) -> Hooks:
    return Hooks(on_start=bind(_start), on_sample=bind(_follow, schedule, by))


def _table(schedule: Mapping[Any, Any]) -> tuple[tuple[int, float], ...]:
    rates = {}
    for number, rate in schedule.items():
        start = check_integer(number, "learning_rate: a table is {number: rate}")
        rates[start] = check_rate(f"learning_rate: the rate from {start} on", rate)
    return tuple(sorted(rates.items()))


def _start(state: State) -> State:
    if not state.training:
        return state
    rates = {where: float(rate) for where, rate in read_rates(state).items()}
    if len(set(rates.values())) > 1:
        lines = (f"  {where}: {rate:.6g}" for where, rate in rates.items())
        raise ValueError(SEVERAL.format(rates="\n".join(lines)))
    return claim_rate(state)


def _follow(state: State, schedule: Any, by: str) -> State:
    if not state.training:
        return state
    count = state.t if by == "step" else state.epoch
    if callable(schedule):
        return write_rate(state, _check_result(schedule(count)))
    rate = next(iter(read_rates(state).values()))
    for start, value in schedule:
        rate = jnp.where(count >= start, value, rate)
    return write_rate(state, rate)


def _check_result(rate: Any) -> Any:
    """Raises an error if a schedule returned no rate; a traced one may be anything."""
    if isinstance(rate, Tracer) and is_number(rate):
        return rate
    return check_rate("learning_rate: what the schedule returned", rate)
