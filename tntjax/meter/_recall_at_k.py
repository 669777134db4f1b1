from typing import Any

import jax.numpy as jnp

from tntjax.meter.parts._rankings import MeterOfRankings


class RecallAtKMeter(MeterOfRankings):
    """Measures which share of a query's relevant candidates are among its k best.

    It is the mean over queries, and 0 for one without relevant candidates: leave those
    out with `mask`. Scores rank as in `HitRateMeter`.

    Args:
      topk: for which k to measure, as in `HitRateMeter`; in percent.

    Example:
      >>> RecallAtKMeter((1, 2)).add([[0.9, 0.5, 0.1]], [[1, 0, 1]])
      RecallAtKMeter(top1=50%, top2=50%, n=1)
    """

    @staticmethod
    def _measure(hits: Any, total: Any, last: Any) -> Any:
        return jnp.take(hits, last, axis=1) / jnp.maximum(total, 1)[:, None]  # [B, K]
