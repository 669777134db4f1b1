"""A learning rate that falls when nothing gets better any more."""

import math

import numpy as np

from tntjax._numbers import check_number
from tntjax.engine import Hooks, State
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import bind, bind_each, put
from tntjax.hooks._learning_rate import change_rates, claim_rate
from tntjax.hooks._score import Judged, Judging, make_judging

NAME = "plateau"


@explain_arguments
def plateau(
    score: Judged,
    factor: float = 0.1,
    patience: int = 10,
    *,
    maximize: bool = False,
    min_delta: float = 0.0,
    every: int = 1,
    smallest: float = 0.0,
) -> Hooks:
    """Lowers the learning rate when a score was not better for a while.

    It looks at the end of an epoch, and begins to count anew when it has lowered the
    rate. What it knows is `state.aux["plateau"]`, as for `early_stopping`. Of this and
    `learning_rate` a run has one.

    For SGDEngine the rates are `state.lr` and `state.lr_criterion`; for OptimEngine all
    that are kept in `state.opt_state`, as for `learning_rate`. Each is multiplied, so
    groups of `optax.partition` and a learnable criterion keep their ratios; rates that
    are not kept there stay as they are. The highest of the network's is
    `state.aux["learning_rate"]`, too.

    Args:
      score: what is judged, as for `early_stopping`.
      factor: what each rate is multiplied by.
      patience: after how many scores in a row that were not better.
      maximize: whether a higher score is better.
      min_delta: by how much more than this a score must be better.
      every: how many epochs apart it looks; what `validate` has.
      smallest: a rate does not fall below.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: as for `early_stopping`.
      ValueError: if a number is out of range; when it runs, if there is no rate that
        can be changed, if another plugin changes it, or if it is chained before the
        `validate` whose score it reads.

    Example:
      >>> import jax.numpy as jnp
      >>> import tntjax as tnt
      >>> hooks = tnt.hooks.plateau(lambda s: 0.5, factor=0.5, patience=1)
      >>> state = hooks.on_start(tnt.State(lr=jnp.float32(1)))
      >>> for epoch in (1, 2, 3):
      ...     state = hooks.on_end_epoch(state.replace(epoch=epoch))
      ...     print(epoch, state.lr)
      1 1.0
      2 0.5
      3 0.25
    """
    judging = make_judging(NAME, score, patience, maximize, min_delta, every)
    factor = check_number("plateau: factor", factor)
    if not 0 < factor < 1:
        raise ValueError(f"plateau needs 0 < factor < 1, got {factor}.")
    smallest = check_number("plateau: smallest", smallest)
    if not 0 <= smallest < math.inf:
        raise ValueError(f"plateau needs a finite smallest >= 0, got {smallest}.")
    look = bind_each(_look, judging, factor, smallest)
    return Hooks(on_start=bind(_start, judging), on_end_epoch=look)


def _start(state: State, judging: Judging) -> State:
    return judging.claim(claim_rate(state)) if state.training else state


def _look(state: State, judging: Judging, factor: float, smallest: float) -> State:
    if int(state.epoch) % judging.every:
        return state
    state, _ = judging.judge(state)
    record = state.aux[NAME]
    if int(record["count"]) < judging.patience:
        return state
    state = change_rates(state, lambda rate: max(rate * factor, min(rate, smallest)))
    return put(state, "aux", NAME, {**record, "count": np.int32(0)})
