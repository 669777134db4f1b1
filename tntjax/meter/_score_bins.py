"""Positive and negative examples counted in bins of their scores."""

import dataclasses
import functools
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax.meter import _rows, _scores
from tntjax.meter._bins import bin_edges, check_bins
from tntjax.meter._count import Count, tally
from tntjax.meter._gathered import gathered
from tntjax.meter._inputs import check_size


def start(meter: Any) -> None:
    """Checks the bins of a meter that is being made and gives it its counts."""
    name = type(meter).__name__
    object.__setattr__(meter, "bins", check_size(meter.bins, f"{name} needs bins"))
    check_bins(meter.low, meter.high, meter.bins, name)
    if meter.counts is None:
        object.__setattr__(meter, "counts", Count.zeros((meter.bins + 1, 2)))


def add(meter: _rows.Meter, output: Any, target: Any, mask: Any) -> _rows.Meter:
    """Counts examples in."""
    scores, targets, mask = _scores.check_examples(meter, output, target, mask)
    # Found by comparing, which rounds nothing: higher scores never get a lower bin.
    edges = bin_edges(meter.low, meter.high, meter.bins)
    counted = _count(meter.counts, meter.n, scores, targets, mask, edges[1:-1])
    return dataclasses.replace(meter, counts=counted[0], n=counted[1])


@functools.partial(jax.jit, inline=True)
def _count(
    counts: Count, n: Count, scores: Any, targets: Any, mask: Any, edges: Any
) -> tuple[Count, Count]:
    leaves = (counts, n, scores.astype(jnp.float32), targets, mask)
    counts, n, scores, targets, mask = gathered(leaves)
    place = jnp.searchsorted(edges, scores, side="right")
    place = jnp.where(jnp.isnan(scores), counts.low.shape[0] - 1, place)
    seen = jnp.ones(scores.shape, jnp.int32)
    if mask is not None:
        seen = seen * mask
    cells = 2 * place + targets.astype(jnp.int32)
    return tally(counts, cells, seen), n + seen.sum(dtype=jnp.int32)


def merge(meter: _rows.Meter, other: Any) -> _rows.Meter:
    """Returns one meter for the examples of both."""
    _rows.check_same(meter, other, ("bins", "low", "high"))
    counts, n = meter.counts + other.counts, meter.n + other.n
    return dataclasses.replace(meter, counts=counts, n=n)


def falling(xp: ModuleType, counts: Count) -> tuple[list, list]:
    """Counts in each bin and in those above it, from the highest bin down.

    Args:
      xp: `numpy` or `jax.numpy`.
      counts: [..., bins + 1, 2].

    Returns:
      `([false, true], [false, true])`, each [..., bins]: float64 of NumPy, else
      float32.
    """

    def real(count: Count) -> Any:
        return count.integers().astype(np.float64) if xp is np else count.floats()

    kinds = [counts[..., -2::-1, kind] for kind in (0, 1)]
    above = [kind.cumsum() - kind for kind in kinds]  # counted, so exact
    return [real(kind) for kind in kinds], [real(count) for count in above]


def rounded(xp: ModuleType, value: Any, error: Any, counts: Count) -> tuple[Any, Any]:
    """Returns value and error as float32, with what rounding adds to the error.

    Each term is some ten roundings from exact, and sums in pairs add one a level. NaN
    if a score was.
    """
    words = counts.low | counts.high
    roundings = 16 + int(words.shape[-2]).bit_length()
    error = error + roundings * 2.0**-24
    spoiled = (words[..., -1, :] > 0).any(-1)
    return tuple(
        xp.where(spoiled, np.nan, part).astype(np.float32) for part in (value, error)
    )
