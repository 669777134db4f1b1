"""The share of relevant candidates that are among the k best."""

from typing import Any

import jax.numpy as jnp

from tntjax.meter.parts._rankings import MeterOfRankings


class RecallAtKMeter(MeterOfRankings):
    """Measures which share of a query's relevant candidates are among its k best.

    It is the mean over queries, and 0 for one without relevant candidates: leave those
    out with `mask`. Of equal scores the first comes first. A NaN score comes before all
    others and counts as a miss.

    Args:
      topk: for which k to measure; one value, in percent, is kept for each.
      mean: the means over queries.

    Raises:
      TypeError: if `topk` isn't a sequence of integers.
      ValueError: if `topk` is empty or has a number below 1.

    Example:
      >>> RecallAtKMeter((1, 2)).add([[0.9, 0.5, 0.1]], [[1, 0, 1]])
      RecallAtKMeter(top1=50%, top2=50%, n=1)
    """

    @staticmethod
    def _measure(hits: Any, total: Any, last: Any) -> Any:
        return jnp.take(hits, last, axis=1) / jnp.maximum(total, 1)[:, None]  # [B, K]
