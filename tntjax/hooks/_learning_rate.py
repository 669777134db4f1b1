"""The learning rates of a State, wherever they are, and a schedule that sets one."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._numbers import check_integer, is_number
from tntjax._struct import describe
from tntjax.engine import Hooks, State
from tntjax.engine._check import check_rate
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import bind, claim, put

NAME = "learning_rate"

NO_RATE = """there is no learning rate to change. SGDEngine has one. To OptimEngine \
pass it beside the optimizer, which then keeps it in its state:

    optimizer=optax.adam(1e-3)        # wrong
    optimizer=optax.adam, lr=1e-3     # right
"""

OWN_SCHEDULE = """the optimizer has a schedule of its own, which sets the learning \
rate in each step. Give it a number instead: optimizer=optax.adam, lr=1e-3."""

SEVERAL = """learning_rate sets one rate, but the optimizer has several:
{rates}
Give each group a schedule of its own in optax, or have plateau lower them together:

    schedules = {{"a": optax.adam(schedule_a), "b": optax.adam(schedule_b)}}
    optimizer = optax.partition(schedules, labels)
"""

Schedule = Callable[[Any], Any] | Mapping[int, float]


@explain_arguments
def learning_rate(schedule: Schedule, by: Literal["step", "epoch"] = "step") -> Hooks:
    """Sets the learning rate by how far training is.

    It is set in `on_sample`, compiled, so no step is made alone for it and nothing
    compiles anew. For SGDEngine it is `state.lr`; for OptimEngine what the optimizer
    keeps, given as `optimizer=optax.adam, lr=1e-3` or by `optax.inject_hyperparams`.
    For both it is `state.aux["learning_rate"]`, too. The rate of a criterion's
    parameters stays as it is. Groups of `optax.partition` whose rates differ are an
    error.

    Args:
      schedule: a schedule of optax, a function of the number of updates or epochs done,
        made once, as what is compiled is cached on it; or a table `{number: rate}`,
        each from that number on. Before the first the rate is what it was.
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
    table: Any = schedule
    if isinstance(schedule, Mapping):
        table = _table(schedule)
    elif not callable(schedule):
        raise TypeError(
            "learning_rate needs a schedule, such as optax.cosine_decay_schedule(0.1,"
            f" 1000) or {{0: 0.1, 10: 0.01}}; got {describe(schedule)}."
        )
    return Hooks(on_start=bind(_start), on_sample=bind(_follow, table, by))


def _table(schedule: Mapping[Any, Any]) -> tuple[tuple[int, float], ...]:
    if not schedule:
        raise ValueError("learning_rate: a table needs a rate, such as {0: 0.1}.")
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
        rate = schedule(count)
        if not (isinstance(rate, Tracer) and is_number(rate)):  # traced, it may be any
            rate = check_rate("learning_rate: what the schedule returned", rate)
        return write_rate(state, rate)
    rate = next(iter(read_rates(state).values()))
    for start, value in schedule:
        rate = jnp.where(count >= start, value, rate)
    return write_rate(state, rate)


def claim_rate(state: State) -> State:
    """Puts the rate, or the highest of several, into `aux`, for a `watch`."""
    highest = max(map(float, read_rates(state).values()))
    return claim(state, "aux", NAME, np.float32(highest))


def read_rates(state: State) -> dict[str, Any]:
    """Returns the network's rates by where they are, or raises a ValueError."""
    if state.lr is not None:
        return {"lr": state.lr}
    found = _find_kept(_network_part(state))
    if not found:
        raise ValueError(NO_RATE)
    if any(map(_has_schedule, found.values())):
        raise ValueError(OWN_SCHEDULE)
    return {where: node.hyperparams[NAME] for where, node in found.items()}


def read_kept(state: State) -> Any:
    """Returns the network's highest rate that is kept, [N] of members, or None."""
    found = _find_kept(_network_part(state)).values()
    rates = [node.hyperparams[NAME] for node in found]
    return functools.reduce(jnp.maximum, rates) if rates else None


def _find_kept(tree: Any) -> dict[str, Any]:
    """Finds what keeps a rate, of `optax.inject_hyperparams`, by where it is."""
    return {
        f"opt_state{jax.tree_util.keystr(path)}": node
        for path, node in jax.tree_util.tree_leaves_with_path(tree, _has_rate)
        if _has_rate(node)
    }


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
    """Changes the rate of each group of parameters, a criterion's too, on the host."""
    highest = max(change(float(rate)) for rate in read_rates(state).values())
    state = put(state, "aux", NAME, np.float32(highest))
    if state.lr is None:
        optimizers = _with_rates(state.opt_state, lambda rate: change(float(rate)))
        return state.replace(opt_state=optimizers)
    rates = {"lr": state.lr, "lr_criterion": state.lr_criterion}
    # Python's numbers, as hooks of the host see them.
    new = {n: change(float(rate)) for n, rate in rates.items() if rate is not None}
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
    whole = state.opt_state
    if state.criterion_params is None or not isinstance(whole, dict):
        return whole
    return whole.get("network", whole)  # a step of one's own may have any


def _has_rate(node: Any) -> bool:
    return NAME in getattr(node, "hyperparams", ())


def _has_schedule(node: Any) -> bool:
    return NAME in getattr(node, "hyperparams_states", ())
