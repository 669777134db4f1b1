from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import host_or_device, namespace
from tntjax.meter.parts._count import Count
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._sums import add_pairs, two_sum


class Moments(NamedTuple):
    """The number of values, their mean, and the sum of squared distances; they merge.

    The mean is `mean + rest` and the sum `m2 + m2_rest`, each an unevaluated sum of two
    floats: one float would lose what many small parts add to it.
    """

    n: Count
    mean: Any
    m2: Any
    rest: Any
    m2_rest: Any


def of_batch(value: jax.Array, weight: jax.Array) -> tuple[Moments, jax.Array]:
    """Computes the moments of weighted values, and their distances from the mean.

    Products of large numbers, like the mean of a batch itself, may be rounded once or
    not at all, as the compiler likes, and the difference would be as large as the
    spread that is to be measured. So all is measured from one of the values; and from
    there once more, as that one may be far from the mean and much larger.
    """
    counts = weight > 0  # [...]
    center = _first(value, counts)
    center = jnp.where(jnp.isfinite(center), center, 0)
    # a value that counts zero times may be anything, and NaN * 0 would be NaN
    offset, lost = two_sum(jnp, jnp.where(counts, value, center), -center)  # [...]
    count, factor = weight.sum(dtype=jnp.int32), weight.astype(value.dtype)
    total = count.astype(value.dtype)

    def average(numbers: jax.Array) -> jax.Array:
        return (factor * numbers).sum() / jnp.maximum(total, 1)

    first = average(offset)  # the mean, from the center
    away = (offset - first) + lost
    # Both sums in one pass. `second` is what rounding left, so its square is small.
    second, m2 = average(away), (factor * away**2).sum()
    m2 = jnp.maximum(m2 - total * second**2, 0)  # NaN if a value isn't finite
    second = jnp.where(jnp.isfinite(first), second, 0)
    mean, rest = two_sum(jnp, center, first)
    moments = Moments(Count.of(count), mean, m2, rest + second, jnp.zeros_like(m2))
    return moments, away - second  # [...], from the mean


def _first(value: jax.Array, counts: jax.Array) -> jax.Array:
    """Returns the first value that counts, 0 of none."""
    if not value.size:
        return jnp.zeros((), value.dtype)
    value, counts = gather((value, counts))
    return value.reshape(-1)[jnp.argmax(counts.reshape(-1))]


def combine(xp: ModuleType, mine: Moments, others: Moments) -> Moments:
    """Merges two sets of moments by Chan's rule."""
    dtype = mine.mean.dtype
    n, n_other = mine.n.floats().astype(dtype), others.n.floats().astype(dtype)
    total = xp.maximum(n + n_other, 1)  # a sum of nothing is divided by 1
    part, share = n / total, n_other / total
    # an empty side must change nothing, not even beside an infinite mean
    distance = xp.where(n_other > 0, others.mean - mine.mean, 0).astype(dtype)
    distance_rest = xp.where(n_other > 0, others.rest - mine.rest, 0).astype(dtype)
    mean = add_pairs(
        xp, (mine.mean, mine.rest), (distance * share, distance_rest * share)
    )
    # no distance leads from one infinity to another, or back from there
    far = ~xp.isfinite(distance)
    apart = mine.mean * part + others.mean * share
    mean = xp.where(far, apart, mean[0]), xp.where(far, 0, mean[1])
    distance = distance + distance_rest
    between = xp.where(n > 0, distance * (n * share) * distance, 0)
    m2 = add_pairs(xp, (mine.m2, mine.m2_rest), (others.m2 + between, others.m2_rest))
    parts = (xp.asarray(p).astype(dtype) for p in (mean[0], m2[0], mean[1], m2[1]))
    return Moments(mine.n + others.n, *parts)


merge = host_or_device(combine)


def widen(moments: Moments) -> tuple[Any, Any, Any]:
    """Returns number, mean and m2 as one float each, on the host of 64 bits."""
    n, mean, m2, rest, m2_rest = moments
    if namespace(*jax.tree.leaves(moments)) is np:
        mean, m2 = (np.asarray(part, np.float64) for part in (mean, m2))
    return n.floats(), mean + rest, m2 + m2_rest
