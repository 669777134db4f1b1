"""The mean of the reciprocal rank of the first relevant candidate."""

from typing import Any

import jax.numpy as jnp

from tntjax.meter.parts._rankings import MeterOfRankings


class MeanReciprocalRankMeter(MeterOfRankings):
    """Measures 1 by the rank of the first relevant candidate, the mean over queries.

    Of equal scores the first comes first. A NaN score comes before all others and
    counts as a miss. A query whose first k candidates are not relevant has 0.

    Args:
      topk: up to which ranks to look; one value is kept for each k. MRR without a
        limit is that of a k as large as C.
      mean: the means over queries.

    Raises:
      TypeError: if `topk` isn't a sequence of integers.
      ValueError: if `topk` is empty or has a number below 1.

    Example:
      >>> MeanReciprocalRankMeter((1, 3)).add([[0.9, 0.5, 0.1]], [[0, 1, 1]])
      MeanReciprocalRankMeter(top1=0, top3=0.5, n=1)
    """

    @staticmethod
    def _measure(hits: Any, total: Any, last: Any) -> Any:
        before = (hits == 0).sum(1)[:, None]  # [B, 1] ranks before the first
        return jnp.where(before <= last, 1 / (before + 1), 0)  # [B, K]

    def value(self) -> dict[int, Any]:
        """Returns the mean over queries for each k.

        Returns:
          `{k: mean}` in ascending order, a float of 0 to 1, NaN if nothing was counted.
        """
        means = self.mean.value()  # [..., K]
        return {k: means[..., place] for place, k in enumerate(self.topk)}

    def summary(self) -> dict[str, Any]:
        """Returns the means under their names."""
        return {f"top{k}": mean for k, mean in self.value().items()}
