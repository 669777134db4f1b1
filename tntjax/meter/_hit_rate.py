from typing import Any

import jax.numpy as jnp

from tntjax.meter.parts._rankings import MeterOfRankings


class HitRateMeter(MeterOfRankings):
    """Measures for how many queries one of the k best candidates is relevant.

    Of equal scores the first comes first. A NaN score comes before all others and
    counts as a miss, and so does a query without relevant candidates.

    Args:
      topk: one or more integers >= 1, for which k to measure, in percent.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> HitRateMeter((1, 2)).add([[0.9, 0.5, 0.1]], [[0, 1, 1]])
      HitRateMeter(top1=0%, top2=100%, n=1)
    """

    @staticmethod
    def _measure(hits: Any, total: Any, last: Any) -> Any:
        return jnp.take(hits, last, axis=1) > 0  # [B, K]
