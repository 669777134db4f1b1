"""The base of meters of where in a ranking the relevant candidates are."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import static
from tntjax.meter._meter import Meter, in_percent
from tntjax.meter.parts._arguments import check_topk
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._inputs import Mask, as_rows
from tntjax.meter.parts._labels import as_positive, as_queries
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._sums import Mean, Total


class MeterOfRankings(Meter):
    """A mean over queries of what `_measure` makes of their rankings, for each k.

    Of equal scores the first comes first. A NaN score comes before all others and
    counts as a miss.
    """

    topk: Sequence[int] = static(default=(10,))
    mean: Any = dataclasses.field(default=None, kw_only=True)

    n = count_of("mean")
    _in_percent = True

    def __post_init__(self) -> None:
        vars(self)["topk"] = topk = check_topk(self.topk, type(self).__name__)
        if self.mean is None:
            vars(self)["mean"] = Mean(Total.zeros((len(topk),)))

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts queries in; see `Meter.add`.

        Args:
          output: [B, C] real scores of the C candidates of each query, higher comes
            first; [C] for one query.
          target: the same shape, real: relevant where above 0; NaN is a ValueError.
          mask: bool [B, C], False where there is no candidate, as queries have unlike
            numbers of them; or [B]. A query without candidates isn't counted.
        """
        name = f"{type(self).__name__}.add"
        scores, targets = as_queries(output, target, name)
        mask = as_rows(mask, scores.shape, name)
        if not scores.shape[1]:  # no query has a candidate
            return self
        relevant = as_positive(targets, mask, name)
        measure = type(self)._measure
        found, seen = _rank(scores, relevant, mask, topk=self.topk, measure=measure)
        return self._with_mean(found, seen)

    def _with_mean(self, values: Any, mask: Any) -> Self:
        return dataclasses.replace(self, mean=self.mean.add(values, np.int32(1), mask))

    @staticmethod
    def _measure(hits: Any, total: Any, last: Any) -> Any:
        """Measures queries [B, K] with `hits` [B, C] up to each rank, of `total` [B].

        The last ranks that count, from 0, are `last` [K].
        """

    def value(self) -> dict[int, Any]:
        """Returns `{k: mean over queries}` in ascending order, each a float.

        Before any query was counted it is NaN.
        """
        means = self.mean.value()  # [..., K]
        means = 100 * means if self._in_percent else means
        return {k: means[..., place] for place, k in enumerate(self.topk)}

    def summary(self) -> dict[str, Any]:
        """Returns the means under their names."""
        return {
            f"top{k}": in_percent(mean) if self._in_percent else mean
            for k, mean in self.value().items()
        }


@functools.partial(jax.jit, static_argnames=("topk", "measure"), inline=True)
def _rank(scores: Any, relevant: Any, mask: Any, *, topk: tuple, measure: Any) -> tuple:
    """Measures the queries, [B, K], and tells which of them have candidates, [B]."""
    scores, relevant, mask = gather((scores, relevant, mask))
    there = jnp.ones(scores.shape, bool) if mask is None else mask
    there = jnp.broadcast_to(there, scores.shape)  # [B, C]
    scores, lost = scores.astype(jnp.float32), jnp.isnan(scores)
    falling = jnp.where(lost, -jnp.inf, -scores)  # [B, C]
    total = (relevant & there).sum(1, dtype=jnp.int32)  # [B]
    found = (relevant & there & ~lost).astype(jnp.int32)
    *_, found = jax.lax.sort((~there, falling, found), num_keys=2)  # [B, C], stable
    hits = jnp.cumsum(found, 1)  # [B, C] among the first
    values = measure(hits, total, jnp.minimum(jnp.array(topk), scores.shape[1]) - 1)
    return values.astype(jnp.float32), there.any(1)
