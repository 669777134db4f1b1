"""The best score so far, and how often in a row a score was not better."""

from typing import Any

import numpy as np

from tntjax._numbers import check_at_least, check_boolean, check_number
from tntjax._score import as_score, is_better
from tntjax.engine import State
from tntjax.hooks._bind import claim, put
from tntjax.hooks._score import NOTHING_YET, Judged, check_score, read_score


def check_judging(
    plugin: str,
    score: Any,
    patience: int,
    maximize: bool,
    min_delta: float,
    every: int,
) -> tuple[int, bool, float, int]:
    """Returns the arguments after `score` as values of Python.

    Raises:
      TypeError: if an argument is of the wrong kind.
      ValueError: if a number is out of range.
    """
    check_score(plugin, score)
    patience = check_at_least(f"{plugin}: patience", patience, 1)
    every = check_at_least(f"{plugin}: every", every, 1)
    maximize = check_boolean(f"{plugin}: maximize", maximize)
    min_delta = check_number(f"{plugin}: min_delta", min_delta)
    if not min_delta >= 0:
        raise ValueError(f"{plugin}: min_delta must be at least 0, got {min_delta}.")
    return patience, maximize, min_delta, every


def claim_record(state: State, plugin: str, maximize: bool) -> State:
    """Makes the record of a plugin in `aux`, with no score yet: `epoch` is 0."""
    best = -NOTHING_YET if maximize else NOTHING_YET
    record = {**_exactly(float(best)), "epoch": np.int32(0), "count": np.int32(0)}
    return claim(state, "aux", plugin, record)


def judge(
    state: State,
    plugin: str,
    score: Judged,
    maximize: bool,
    min_delta: float,
) -> tuple[State, bool]:
    """Counts the score of an epoch in the record of a plugin.

    Args:
      state: the State at the end of the epoch.
      plugin: whose record it is.
      score: `State -> number`, or a name.
      maximize: whether a higher score is better.
      min_delta: by how much more than this it must be better.

    Returns:
      The State with the new record, and whether the score was the best so far.
    """
    record = state.aux[plugin]
    new = as_score(read_score(plugin, score, state), f"{plugin}: score")
    best = float(_words(record).view(np.float64)[0]) if int(record["epoch"]) else None
    better = is_better(new, best, maximize, min_delta)
    if better:
        record = {**_exactly(new), "epoch": np.int32(state.epoch), "count": np.int32(0)}
    else:
        record = {**record, "count": np.int32(int(record["count"]) + 1)}
    return put(state, "aux", plugin, record), better


def _exactly(score: float) -> dict[str, Any]:
    """Encodes a score as float32, and as the words of a float64.

    What is carried is float32 at most, and a score is to be compared with what came
    and not with what was rounded.
    """
    with np.errstate(over="ignore"):
        best = np.float32(score)
    return {"best": best, "words": np.array([score], np.float64).view(np.uint32)}


def _words(record: dict[str, Any]) -> np.ndarray:
    return np.array(record["words"], np.uint32)
