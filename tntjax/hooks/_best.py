"""Whether a score is the best so far, and how often in a row it was not."""

import math
from typing import Any

import numpy as np

from tntjax.engine._job import check_at_least
from tntjax.hooks._bind import check_score


def check_judging(
    plugin: str, score: Any, patience: int, min_delta: float, every: int
) -> None:
    """Raises a TypeError or ValueError if a plugin cannot judge with these."""
    check_score(plugin, score)
    check_at_least(f"{plugin}: patience", patience, 1)
    check_at_least(f"{plugin}: every", every, 1)
    if not min_delta >= 0:
        raise ValueError(f"{plugin}: min_delta must be at least 0, got {min_delta}.")


def nothing_seen(maximize: bool) -> dict[str, Any]:
    """Returns the record of no score yet: any is better. It is carried in `aux`."""
    best = np.float32(-math.inf if maximize else math.inf)
    return {"best": best, "epoch": np.int32(0), "count": np.int32(0)}


def judged(
    record: dict[str, Any], score: Any, epoch: Any, maximize: bool, min_delta: float
) -> tuple[dict[str, Any], bool]:
    """Counts a score in; NaN is never better.

    Returns:
      The new record, and whether the score was better by more than `min_delta`.
    """
    score, best = float(score), float(record["best"])
    gain = score - best if maximize else best - score
    if gain > min_delta:
        best = {"best": np.float32(score), "epoch": np.int32(epoch)}
        return {**best, "count": np.int32(0)}, True
    return {**record, "count": np.int32(int(record["count"]) + 1)}, False
