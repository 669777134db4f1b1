from typing import Any

import jax.numpy as jnp

from tntjax.meter.parts._rankings import MeterOfRankings


class MeanReciprocalRankMeter(MeterOfRankings):
    """Measures 1 by the rank of the first relevant candidate, the mean over queries.

    A query whose first k candidates are not relevant has 0. Scores rank as in
    `HitRateMeter`. MRR without a limit is that of a k as large as C.

    Args:
      topk: up to which ranks to look, as in `HitRateMeter`; a fraction for each k.

    Example:
      >>> MeanReciprocalRankMeter((1, 3)).add([[0.9, 0.5, 0.1]], [[0, 1, 1]])
      MeanReciprocalRankMeter(top1=0, top3=0.5, n=1)
    """

    _in_percent = False

    @staticmethod
    def _measure(hits: Any, total: Any, last: Any) -> Any:
        before = (hits == 0).sum(1)[:, None]  # [B, 1] ranks before the first
        return jnp.where(before <= last[None], 1 / (before + 1), 0)  # [B, K]
