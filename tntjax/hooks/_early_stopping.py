"""Stopping when nothing gets better any more."""

from typing import Any

from tntjax._numbers import check_boolean
from tntjax.engine import Hooks, State
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import bind, bind_each, claim, put
from tntjax.hooks._score import Judged, Judging, make_judging

NAME = "early_stopping"
KEPT = ("params", "model_state", "criterion_params")


@explain_arguments
def early_stopping(
    score: Judged,
    patience: int,
    *,
    maximize: bool = False,
    min_delta: float = 0.0,
    every: int = 1,
    restore: bool = False,
) -> Hooks:
    """Ends the run when a score was not better for a while.

    It looks at the end of an epoch. What it knows is `state.aux["early_stopping"]`:
    the score that was `best` (in `words` bit for bit, as float64), the `epoch` after
    which it came, 0 while there is none, and the `count` of scores since. A score that
    stays the same is not better, and NaN and the worst infinity never are.

    Args:
      score: what is judged, the lower the better: `"validate"`, or another name that
        `validate`, chained before, gives to its score; or `State -> number`, such as
        the value of a meter.
      patience: after how many scores in a row that were not better it stops.
      maximize: whether a higher score is better.
      min_delta: by how much more than this a score must be better.
      every: how many epochs apart it looks; what `validate` has.
      restore: whether the run ends with `params`, `model_state` and `criterion_params`
        as they were after the best epoch. They are kept in `state.large`.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if `score` is neither a name nor a function or, when it runs, does not
        return a number; if another argument is of the wrong kind.
      ValueError: if a number is out of range; when it runs, if there are two, or if it
        is chained before the `validate` whose score it reads.

    Example:
      >>> import tntjax as tnt
      >>> hooks = tnt.hooks.early_stopping("validate", patience=2)
      >>> state = hooks.on_start(tnt.State(aux={"validate": 0.5}))
      >>> for epoch in (1, 2, 3):
      ...     state = hooks.on_end_epoch(state.replace(epoch=epoch))
      ...     print(epoch, state.stop)
      1 False
      2 False
      3 True
    """
    judging = make_judging(NAME, score, patience, maximize, min_delta, every)
    restore = check_boolean(f"{NAME}: restore", restore)
    return Hooks(
        on_start=bind(_start, judging, restore),
        on_start_epoch=bind_each(_stop, judging),  # a stopped run that is resumed
        on_end_epoch=bind_each(_look, judging, restore),
        on_end=bind_each(_restore) if restore else None,
    )


def _start(state: State, judging: Judging, restore: bool) -> State:
    if not state.training:
        return state
    if restore:
        state = claim(state, "large", NAME, _kept(state))
    return judging.claim(state)


def _kept(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in KEPT}


def _stop(state: State, judging: Judging) -> State:
    stop = int(state.aux[NAME]["count"]) >= judging.patience
    return state.replace(stop=state.stop or stop)


def _look(state: State, judging: Judging, restore: bool) -> State:
    if int(state.epoch) % judging.every:
        return state
    state, better = judging.judge(state)
    if better and restore:
        state = put(state, "large", NAME, _kept(state))
    return _stop(state, judging)


def _restore(state: State) -> State:
    if not state.training or not int(state.aux[NAME]["epoch"]):  # none was better
        return state
    return state.replace(**state.large[NAME])
