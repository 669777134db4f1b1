import dataclasses
import functools
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import host_or_device, namespace
from tntjax._struct import flag, static
from tntjax.meter._meter import Meter, check_same, in_percent
from tntjax.meter.parts._arguments import check_optional_size, check_topk
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import Mask, as_rows
from tntjax.meter.parts._labels import as_positive, as_queries
from tntjax.meter.parts._mesh import gather

NOTHING = np.int32(-(2**31))
"""The rank of a place without a candidate, below that of any score."""


class PrecisionAtKMeter(Meter):
    """Measures the share of relevant ones among the k best candidates, in percent.

    Each `add` brings new queries with all their candidates or, if `online`, more
    candidates for the same queries, of which the best are kept. Among equal scores the
    first comes first. A NaN score comes before all others and counts as a miss, and so
    does a place without a candidate, where there are fewer than k.

    Args:
      topk: one or more integers >= 1, for which k to measure.
      dim: the axis of candidates in what `add` gets: 1 for [B, C], 0 for [C, B].
      online: whether each `add` brings candidates for the same queries.
      num_queries: B, if `online`. If None the first `add` says it, and then that can't
        be in a `scan`, which keeps shapes.
      hits: [len(topk)] pairs of uint32, how many were relevant; () if `online`.
      best, relevant: [B, max(topk)], if `online`, else (): int32 ranks of the best
        candidates so far, in the order of their scores, and bool.
      n: [] a pair of uint32, how many queries were counted.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> PrecisionAtKMeter((1, 2)).add([[0.9, 0.1, 0.5]], [[1, 1, 0]])
      PrecisionAtKMeter(top1=100%, top2=50%, n=1)
      >>> meter = PrecisionAtKMeter((2,), online=True)
      >>> meter.add([[0.9, 0.1]], [[1, 0]]).add([[0.3]], [[1]])
      PrecisionAtKMeter(top2=100%, n=1)

    Torchnet: `meter/precisionatkmeter.lua`, where `dim` is from 1 and fewer than k
    candidates were an error. Equal scores came in no certain order. Its online mode
    kept candidates over a reset, mixed them up if their number changed, and counted
    places without a candidate at random; here they are misses.
    """

    topk: Sequence[int] = static(default=(10,))
    dim: int = static(default=1)
    online: bool = flag(default=False)
    num_queries: int | None = static(default=None)
    hits: Any = None
    best: Any = None
    relevant: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        topk = check_topk(self.topk, "PrecisionAtKMeter")
        if self.dim not in (0, 1):
            raise ValueError(
                f"PrecisionAtKMeter needs dim 1 for output [B, C], or 0 for [C, B], got"
                f" {self.dim!r}."
            )
        subject = "PrecisionAtKMeter needs num_queries"
        queries, online = check_optional_size(self.num_queries, subject), self.online
        if queries is not None and not online:
            raise ValueError(f"{subject} only if online=True.")
        vars(self).update(topk=topk, num_queries=queries)
        if self.hits is None and online:
            best = np.full((queries or 0, max(topk)), NOTHING)
            vars(self).update(hits=(), best=best, relevant=np.zeros(best.shape, bool))
        elif self.hits is None:
            vars(self).update(hits=Count.zeros((len(topk),)), best=(), relevant=())

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts queries, or candidates if `online`, in; see `Meter.add`.

        Args:
          output: [B, C] real scores of C candidates for each of B queries, or [C, B]
            if `dim` is 0; without the first axis if that is 1. Where C is below k,
            the places without a candidate are misses.
          target: the same shape, real: relevant where above 0.
          mask: bool, the leading axes of `output`; False leaves the candidates out,
            and a query without candidates isn't counted.

        Raises:
          ValueError: if a target is NaN, or there are other queries than before.
        """
        name = "PrecisionAtKMeter.add"
        check_single(self.n, 0)
        scores, targets = as_queries(output, target, name)
        mask = as_rows(mask, scores.shape, name)
        relevant = as_positive(targets, mask, name)
        batch = _best(scores, relevant, mask, dim=self.dim, k=max(self.topk))
        if self.online:
            return _with_best(self, *batch)
        best, relevant = batch
        hits, n = _count(relevant, best, topk=self.topk)
        return dataclasses.replace(self, hits=self.hits + hits, n=self.n + n)

    def merge(self, other: Self) -> Self:
        """Returns one meter for the queries, or the candidates if `online`, of both."""
        if not self.online:
            return super().merge(other)
        check_same(self, other)
        return _with_best(self, other.best, other.relevant)

    def reset(self) -> Self:
        """Returns the meter that has seen nothing, on the host, of the same shapes."""
        empty = super().reset()
        best = np.full(empty.best.shape, NOTHING) if self.online else ()
        return dataclasses.replace(empty, best=best)

    def value(self) -> dict[int, Any]:
        """Returns floats `{k: percent}` in ascending order; NaN if nothing came.

        A query with fewer than k relevant candidates can't reach 100.
        """
        hits = Count.of(_hits(self.relevant, self.topk)) if self.online else self.hits
        total = self.n.floats()[..., None]
        xp, topk = namespace(total), np.array(self.topk, np.float32)
        share = np.float32(100) * hits.floats() / (xp.maximum(total, 1) * topk)
        share = xp.where(total > 0, share, np.float32(np.nan))  # [..., K]
        return {k: share[..., place] for place, k in enumerate(self.topk)}

    def summary(self) -> dict[str, Any]:
        """Returns the percentages under their names."""
        return {f"top{k}": in_percent(share) for k, share in self.value().items()}


@functools.partial(jax.jit, static_argnames=("dim", "k"), inline=True)
def _best(scores: Any, relevant: Any, mask: Any, *, dim: int, k: int) -> tuple:
    """Finds the ranks of the k best candidates [B, k], and which are relevant."""
    scores, relevant, mask = gather((scores, relevant, mask))
    scores = scores.astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(jnp.where(scores == 0, 0, scores), jnp.int32)
    rank = jnp.where(bits < 0, bits ^ np.int32(2**31 - 1), bits)  # as scores are
    rank = jnp.where(jnp.isnan(scores), np.int32(2**31 - 1), rank)
    relevant = relevant & ~jnp.isnan(scores)
    if mask is not None:
        rank, relevant = jnp.where(mask, rank, NOTHING), relevant & mask
    if dim == 0:
        rank, relevant = rank.T, relevant.T
    missing = ((0, 0), (0, max(0, k - rank.shape[1])))  # [B, C] to [B, k] or more
    rank = jnp.pad(rank, missing, constant_values=NOTHING)
    return _first(rank, jnp.pad(relevant, missing), k)


def _first(rank: Any, relevant: Any, k: int) -> tuple[Any, Any]:
    best, place = jax.lax.top_k(rank, k)  # keeps the lower index
    return best, jnp.take_along_axis(relevant, place, axis=1)


def _with_best(meter: Any, best: Any, relevant: Any) -> Any:
    """Returns the meter with more candidates for the same queries."""
    if len(best) == 0:
        return meter
    if len(meter.best) not in (0, len(best)):
        raise ValueError(
            f"PrecisionAtKMeter(online=True) has candidates for {len(meter.best)}"
            f" queries, but here are some for {len(best)}. To begin with other queries,"
            " make a new one."
        )
    if len(meter.best) > 0:
        pairs = [meter.best, best], [meter.relevant, relevant]
        best, relevant = _best_of_both(*pairs)
    n = Count.of((best[:, 0] != NOTHING).sum(dtype=np.int32))
    return dataclasses.replace(meter, best=best, relevant=relevant, n=n)


@host_or_device
def _best_of_both(xp: ModuleType, ranks: list, relevants: list) -> tuple[Any, Any]:
    k = ranks[0].shape[1]
    rank, relevant = (xp.concatenate(parts, 1) for parts in (ranks, relevants))  # 2k
    if xp is jnp:
        return _first(rank, relevant, k)
    place = np.argsort(~rank, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(rank, place, 1)
    return best, np.take_along_axis(relevant, place, 1)


def _hits(relevant: Any, topk: Sequence[int]) -> Any:
    """Counts for each k the relevant ones among the first k of all queries."""
    counts = [relevant[..., :k].sum((-2, -1), dtype=np.int32) for k in topk]
    return namespace(relevant).stack(counts, -1)


@functools.partial(jax.jit, static_argnames="topk", inline=True)
def _count(relevant: Any, best: Any, *, topk: tuple[int, ...]) -> tuple[Any, Any]:
    return _hits(relevant, topk), (best[:, 0] != NOTHING).sum(dtype=jnp.int32)
