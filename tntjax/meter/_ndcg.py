"""The normalized discounted cumulative gain of rankings."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import describe, static
from tntjax.meter._meter import Meter
from tntjax.meter.parts._arguments import check_convention, check_topk
from tntjax.meter.parts._count import Count
from tntjax.meter.parts._inputs import as_rows, refuse
from tntjax.meter.parts._labels import as_scores
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._sums import Mean, Total

FEW = 64
"""Numbers that are summed one after the other."""


class NDCGMeter(Meter):
    """Measures how good rankings are against the best ones possible.

    The gain of a ranking among the k first is the sum of the relevances of their
    documents, each divided by a discount that grows with its rank; it's normalized by
    that of the best ranking. Documents of equal score share their ranks' discounts, so
    that their order doesn't matter. A query without relevant documents has 0. A NaN
    score has no rank: the value is NaN then.

    Args:
      topk: among how many of the first to count; one value is kept for each k.
      convention: how rank i, from 1, is discounted: "standard" by log2(i + 1),
        "torchnet" by log2(i), and by 1 at rank 1.
      mean: the means over queries for all k, [len(topk)].

    Raises:
      TypeError: if `topk` isn't a sequence of integers.
      ValueError: if `topk` is empty or has a number below 1, or there's no such
        convention.

    Example:
      >>> meter = NDCGMeter(topk=(1, 3)).add([[0.9, 0.5, 0.1]], [[0, 1, 0]])
      >>> meter
      NDCGMeter(top1=0, top3=0.63093, n=1)

    Torchnet: `meter/ndcgmeter.lua`, where `topk` is called K. It discounted the second
    rank by 1 as the first, ordered equal scores in no certain way, failed on queries
    without relevant documents and on fewer than k documents, and changed the shape of
    what it was given.
    """

    topk: Sequence[int] = static(default=(1,))
    convention: str = static(default="standard")
    mean: Any = None

    def __post_init__(self) -> None:
        topk = check_topk(self.topk, "NDCGMeter")
        check_convention(self)
        vars(self).update(topk=topk)
        if self.mean is None:
            vars(self).update(mean=Mean(Total.zeros((len(topk),))))

    @property
    def n(self) -> Count:
        """The number of queries that were counted; `int(meter.n)` is exact."""
        return self.mean.n

    def add(
        self, output: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None
    ) -> "NDCGMeter":
        """Counts queries in.

        Args:
          output: [B, C] real scores of the C documents of each query, higher comes
            first; [C] for one query. Of fewer than k all are counted.
          target: the same shape, finite and at least 0: how relevant each one is.
          mask: [B] bool; False leaves the query out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if an array isn't real, or `mask` not bool.
          ValueError: if shapes don't fit, or a relevance in the memory of the host
            is negative or not finite.

        Example:
          >>> NDCGMeter().add([0.1, 0.9], [0, 3]).add([0.9, 0.1], [0, 3])
          NDCGMeter(top1=0.5, n=2)
        """
        scores, relevance = as_scores(output, target, "NDCGMeter.add")
        if scores.ndim == 1 and scores.shape == relevance.shape:
            scores, relevance = scores[None], relevance[None]
        if scores.shape != relevance.shape or scores.ndim != 2:
            raise ValueError(
                "NDCGMeter.add needs output [B, C], a score for each document, and"
                f" target of the same shape; got output {describe(scores)} and target"
                f" {describe(relevance)}."
            )
        rows = as_rows(mask, scores.shape[:1], "NDCGMeter.add")
        refuse(
            relevance,
            lambda relevance: ~((relevance >= 0) & np.isfinite(relevance)),
            "NDCGMeter.add needs finite relevance >= 0",
            None if rows is None else rows[:, None],
        )
        gains = _ndcg(scores, relevance, topk=self.topk, convention=self.convention)
        mean = self.mean.add(gains, np.int32(1), rows)
        return dataclasses.replace(self, mean=mean)

    def value(self) -> dict[int, Any]:
        """Returns the mean over queries for each k.

        Returns:
          `{k: gain}` in ascending order, a float from 0 to 1, NaN if nothing was
          counted.

        Example:
          >>> NDCGMeter((2,)).add([0.1, 0.9], [0, 3]).value()[2]
          1.0
        """
        means = self.mean.value()  # [..., K]
        return {k: means[..., place] for place, k in enumerate(self.topk)}

    def summary(self) -> dict[str, Any]:
        """Returns the means under their names."""
        return {f"top{k}": gain for k, gain in self.value().items()}


@functools.partial(jax.jit, static_argnames=("topk", "convention"), inline=True)
def _ndcg(
    scores: Any, relevance: Any, *, topk: tuple[int, ...], convention: str
) -> Any:
    """Returns the gains [B, K] of the queries for each of the K numbers in `topk`."""
    scores, relevance = gather((scores, relevance))
    scores, relevance = scores.astype(jnp.float32), relevance.astype(jnp.float32)
    falling, found = jax.lax.sort((-scores, relevance), num_keys=1)  # [B, C]
    best = jnp.sort(relevance, descending=True)  # [B, C]
    first, end = _ties(falling)  # [B, C]
    factors, sums = _discounts(topk, scores.shape[1], convention)
    # a difference of sums is less exact than the sums, which are large
    shared = jnp.sum(sums[..., end] - sums[..., first], 0)  # [K, B, C]
    alone = first + 1 == end
    factor = jnp.where(alone, factors, shared / (end - first).astype(jnp.float32))
    ideal = _sum(factors * best)  # [K, B]
    gain = _sum(factor * found) / jnp.where(ideal == 0, 1, ideal)
    return jnp.where(jnp.isnan(scores).any(-1), jnp.nan, gain).T


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


def _sum(gains: Any) -> Any:
    """Sums [..., C] over C: many in pairs, as one after the other loses digits."""
    while (documents := gains.shape[-1]) > FEW:
        half = documents // 2
        pairs = gains[..., :half] + gains[..., half : 2 * half]
        gains = jnp.concatenate([pairs, gains[..., 2 * half :]], -1)
    return gains.sum(-1)


def _discounts(
    topk: tuple[int, ...], documents: int, convention: str
) -> tuple[np.ndarray, jax.Array]:
    """Computes what ranks are multiplied by, for each k.

    Returns:
      The factors [K, 1, C], 0 behind k, and the sums of the first ones [2, K, C + 1]
      in two parts, whose own sum is exact beyond float32.
    """
    rank = np.arange(1, documents + 1)
    base = rank + 1 if convention == "standard" else np.maximum(rank, 2)
    factors = np.where(rank <= np.array(topk)[:, None], 1 / np.log2(base), 0)  # [K, C]
    sums = np.pad(np.cumsum(factors, -1), ((0, 0), (1, 0)))  # float64
    parts = np.stack([sums, sums - sums.astype(np.float32)])
    return factors[:, None].astype(np.float32), jnp.asarray(parts, jnp.float32)
