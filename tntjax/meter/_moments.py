"""Means and squared distances from them, of which parts can be put together."""

from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tntjax.meter._count import Count
from tntjax.utils import host_or_device


class Moments(NamedTuple):
    """How many values, their mean, the squared distances from it, and the rest.

    The mean is `mean + rest`, an unevaluated sum of two floats.
    """

    n: Count
    mean: Any
    m2: Any
    rest: Any


def weights(weight: Any, mask: Any, shape: tuple[int, ...]) -> jax.Array:
    """Returns how often each value counts, int32 of the shape."""
    weight = jnp.broadcast_to(weight.astype(jnp.int32), shape)
    return weight if mask is None else jnp.where(mask, weight, 0)


def of_batch(value: jax.Array, weight: jax.Array) -> tuple[Moments, jax.Array]:
    """Returns the moments of values that count so often, and distances from the mean.

    Products of large numbers, like the mean of a batch itself, may be rounded once or
    not at all, as the compiler likes, and the difference would be as large as the
    spread that is to be measured. So all is measured from one of the values; and from
    there once more, as that one may be far from the mean and much larger.
    """
    counts = weight > 0
    center = jnp.max(value, initial=-jnp.inf, where=counts)
    center = jnp.where(jnp.isfinite(center), center, 0)
    # a value that counts zero times may be anything, and NaN * 0 would be NaN
    offset, lost = two_sum(jnp, jnp.where(counts, value, center), -center)
    count, factor = weight.sum(dtype=jnp.int32), weight.astype(value.dtype)

    def average(numbers: jax.Array) -> jax.Array:
        return (factor * numbers).sum() / jnp.maximum(count, 1).astype(value.dtype)

    first = average(offset)
    away = (offset - first) + lost
    second = jnp.where(jnp.isfinite(first), average(away), 0)
    away = away - second
    mean, rest = two_sum(jnp, center, first)
    m2 = (factor * away**2).sum()
    return Moments(Count.of(count), mean, m2, rest + second), away


def combine(xp: ModuleType, mine: Moments, others: Moments) -> Moments:
    """Chan's rule."""
    dtype = mine.mean.dtype
    n, n_other = mine.n.floats().astype(dtype), others.n.floats().astype(dtype)
    share = n_other / xp.maximum(n + n_other, 1).astype(dtype)
    # an empty side must change nothing, not even beside an infinite mean
    distance = xp.where(n_other > 0, others.mean - mine.mean, 0).astype(dtype)
    distance_rest = xp.where(n_other > 0, others.rest - mine.rest, 0).astype(dtype)
    merged, lost = two_sum(xp, mine.mean, distance * share)
    merged, lost = two_sum(xp, merged, lost + (mine.rest + distance_rest * share))
    distance = distance + distance_rest
    between = xp.where(n > 0, distance * (n * share), 0)
    spread = mine.m2 + others.m2 + between * xp.where(n > 0, distance, 0)
    parts = (xp.asarray(part).astype(dtype) for part in (merged, spread, lost))
    return Moments(mine.n + others.n, *parts)


def two_sum(xp: ModuleType, a: Any, b: Any) -> tuple[Any, Any]:
    """Returns the rounded sum, and what rounding took off it, exactly (Knuth)."""
    total = a + b
    added = total - a
    lost = (a - (total - added)) + (b - added)
    return total, xp.where(xp.isfinite(total), lost, 0)  # not NaN beside infinity


merge = host_or_device(combine)


@host_or_device
def mean_std(xp: ModuleType, n: Count, mean: Any, m2: Any) -> tuple[Any, Any]:
    """NaN for what too few values leave open."""
    nan, count = np.array(np.nan, mean.dtype), n.floats().astype(mean.dtype)
    variance = m2 / xp.maximum(count - 1, 1).astype(mean.dtype)
    return xp.where(count > 0, mean, nan), xp.sqrt(xp.where(count > 1, variance, nan))
