import functools
from collections.abc import Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import static
from tntjax.meter.parts._arguments import check_convention
from tntjax.meter.parts._inputs import Mask, as_rows, refuse
from tntjax.meter.parts._labels import as_queries
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._rankings import MeterOfRankings
from tntjax.meter.parts._sums import sum_in_pairs

FEW = 64
"""Numbers that are summed one after the other."""


class NDCGMeter(MeterOfRankings):
    """Measures how good rankings are against the best ones possible, from 0 to 1.

    The gain of a ranking among the k first is the sum of the relevances of their
    documents, each divided by a discount that grows with its rank; it's normalized by
    that of the best ranking. Documents of equal score share their ranks' discounts, so
    that their order doesn't matter. A query without relevant documents has 0. A NaN
    score has no rank: the value is NaN then.

    Args:
      topk: one or more integers >= 1, among how many of the first to count.
      convention: how rank i, from 1, is discounted: "standard" by log2(i + 1),
        "torchnet" by log2(i), and by 1 at rank 1.
      mean: the means over queries for all k, [len(topk)].

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> NDCGMeter(topk=(1, 3)).add([[0.9, 0.5, 0.1]], [[0, 1, 0]])
      NDCGMeter(top1=0, top3=0.63093, n=1)

    Torchnet: `meter/ndcgmeter.lua`, where `topk` is called K. It discounted the second
    rank by 1 as the first, ordered equal scores in no certain way, failed on queries
    without relevant documents and on fewer than k documents, and changed the shape of
    what it was given.
    """

    topk: Sequence[int] = static(default=(1,))
    convention: str = static(default="standard")

    _in_percent = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_convention(self)

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts queries in; see `Meter.add`.

        Args:
          output: [B, C] real scores of the C documents of each query, higher comes
            first; [C] for one query. Of fewer than k all are counted.
          target: the same shape, how relevant each one is: finite and at least 0, or,
            in the memory of the host, a ValueError.
          mask: [B] bool; False leaves the query out.
        """
        scores, relevance = as_queries(output, target, "NDCGMeter.add")
        rows = as_rows(mask, scores.shape[:1], "NDCGMeter.add")
        refuse(
            relevance,
            lambda relevance: ~((relevance >= 0) & np.isfinite(relevance)),
            "NDCGMeter.add needs finite relevance >= 0",
            None if rows is None else rows[:, None],
        )
        gains = _ndcg(scores, relevance, topk=self.topk, convention=self.convention)
        return self._with_mean(gains, rows)


@functools.partial(jax.jit, static_argnames=("topk", "convention"), inline=True)
def _ndcg(scores: Any, relevance: Any, *, topk: tuple, convention: str) -> Any:
    """Returns the gains [B, K] of the queries for each of the K numbers in `topk`."""
    scores, relevance = gather((scores, relevance))
    scores, relevance = scores.astype(jnp.float32), relevance.astype(jnp.float32)
    falling, found = jax.lax.sort((-scores, relevance), num_keys=1)  # [B, C]
    best = jnp.sort(relevance, descending=True)  # [B, C]
    first, end = _ties(falling)  # [B, C]
    factors, sums = _discounts(topk, scores.shape[1], convention)
    # a difference of sums is less exact than the sums, which are large
    shared = jnp.sum(sums[..., end] - sums[..., first], 0)  # [K, B, C]
    size = (end - first).astype(jnp.float32)[None]  # [1, B, C]
    factor = jnp.where(size == 1, factors, shared / size)  # [K, B, C]
    ideal = sum_in_pairs(jnp, factors * best[None], FEW)  # [K, B]
    gain = sum_in_pairs(jnp, factor * found[None], FEW) / jnp.where(
        ideal == 0, 1, ideal
    )
    return jnp.where(jnp.isnan(scores).any(-1)[None], jnp.nan, gain).T


def _ties(falling: Any) -> tuple[Any, Any]:
    """Finds where the scores that equal each score begin, and end, [B, C] uint32."""
    documents = falling.shape[1]
    new = falling[:, 1:] != falling[:, :-1]
    edge = jnp.ones((len(falling), 1), bool)
    # The ends are the starts as seen from behind, found in the same sweep.
    behind = jnp.concatenate([new, edge], 1)[:, ::-1]
    starts = jnp.stack([jnp.concatenate([edge, new], 1), behind])  # [2, B, C]
    position = jnp.arange(documents, dtype=jnp.uint32)
    nearest = jax.lax.cummax(jnp.where(starts, position, 0), axis=2)
    return nearest[0], documents - nearest[1, :, ::-1]  # [B, C] each


def _discounts(topk: tuple, documents: int, convention: str) -> tuple[Any, Any]:
    """Computes what ranks are multiplied by, for each k: [K, 1, C], 0 behind k.

    And the sums of the first factors [2, K, C + 1] in two parts, whose own sum is exact
    beyond float32.
    """
    rank = np.arange(1, documents + 1)
    base = rank + 1 if convention == "standard" else np.maximum(rank, 2)
    factors = np.where(rank <= np.array(topk)[:, None], 1 / np.log2(base), 0)  # [K, C]
    sums = np.pad(np.cumsum(factors, -1), ((0, 0), (1, 0)))  # float64
    parts = np.stack([sums, sums - sums.astype(np.float32)])
    return factors[:, None].astype(np.float32), jnp.asarray(parts, jnp.float32)
