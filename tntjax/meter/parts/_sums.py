import functools
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import host_or_device
from tntjax._struct import pytree
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import spread_counts


@pytree
class Total:
    """Sums [...] to twice the digits of float32: `sum`, and the `rest` of rounding.

    Example:
      >>> total = Total() + np.float32(2**24) + np.float32(1) + np.float32(-(2**24))
      >>> total.floats().item()
      1.0
    """

    sum: Any = np.float32(0)
    rest: Any = np.float32(0)

    @staticmethod
    def zeros(shape: tuple[int, ...]) -> "Total":
        """Returns sums of nothing, on the host."""
        return Total(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def __add__(self, other: Any) -> "Total":
        if isinstance(other, Total):
            return Total(*_plus((self.sum, self.rest), (other.sum, other.rest)))
        return Total(*_plus_one((self.sum, self.rest), other))

    merge = __add__  # as a part of a meter

    def floats(self) -> Any:
        """Returns float32, rounded."""
        return self.sum + self.rest


@pytree
class Mean:
    """A mean, or several [...] of the same rows: the sum of what was added, and `n` [].

    Example:
      >>> float(Mean().add(np.float32([1, 2, 6]), np.int32(1)).value())
      3.0
    """

    total: Total = Total()
    n: Count = Count()

    def add(self, values: Any, weight: Any, mask: Any = None) -> "Mean":
        """Adds values [*rows, ...] float32; `weight` int32 says how often a row counts.

        It and the mask, bool or None, broadcast to the rows. Means of many meters are a
        ValueError.
        """
        check_single(self.n, 0)
        return Mean(*_add(self.total, self.n, values, weight, mask))

    def value(self) -> Any:
        """Computes the mean, float64 on the host and else float32; NaN of nothing."""
        return _mean(self.total, self.n)


def two_sum(xp: ModuleType, a: Any, b: Any) -> tuple[Any, Any]:
    """Returns the rounded sum, and what rounding took off it, exactly (Knuth)."""
    total = a + b
    added = total - a  # what of b arrived
    lost = (a - (total - added)) + (b - added)
    return total, xp.where(xp.isfinite(total), lost, 0)  # not NaN beside infinity


def add_pairs(xp: ModuleType, mine: tuple, others: tuple) -> tuple[Any, Any]:
    """Adds two sums, each the rounded one and its rest."""
    total, lost = two_sum(xp, mine[0], others[0])
    return two_sum(xp, total, lost + (mine[1] + others[1]))


def sum_in_pairs(xp: ModuleType, values: Any, few: int = 1) -> Any:
    """Sums over the last axis in pairs, pairs of pairs, and so on, as NumPy does.

    The last `few` are summed one after the other.
    """
    if xp is np:
        return values.sum(-1)
    while values.shape[-1] > few:
        half = values.shape[-1] // 2
        pairs = values[..., :half] + values[..., half : 2 * half]
        values = jnp.concatenate([pairs, values[..., 2 * half :]], axis=-1)
    return values[..., 0] if few == 1 else values.sum(-1)


@host_or_device
def _plus(xp: ModuleType, mine: tuple, others: tuple) -> tuple[Any, Any]:
    total, lost = add_pairs(xp, mine, others)
    return xp.asarray(total), xp.asarray(lost).astype(np.float32)


@host_or_device
def _plus_one(xp: ModuleType, mine: tuple, other: Any) -> tuple[Any, Any]:
    # Half of the work of `_plus`: what rounding took off is put by, and stays there.
    total, lost = two_sum(xp, mine[0], other)
    return xp.asarray(total), xp.asarray(mine[1] + lost).astype(np.float32)


@functools.partial(jax.jit, inline=True)
def _add(total: Total, n: Count, values: Any, weight: Any, mask: Any) -> tuple:
    means = np.ndim(total.sum)  # axes of the mean; those before are rows
    rows = values.shape[: values.ndim - means]
    weight = spread_counts(weight, mask, rows)  # [*rows]
    seen = weight.reshape(rows + (1,) * means)
    # a row that counts zero times may be anything, and NaN * 0 would be NaN
    values = jnp.where(seen > 0, values, 0) * seen.astype(jnp.float32)
    batch = values.sum(tuple(range(len(rows))))  # [...], the shape of the mean
    return total + batch, n + weight.sum(dtype=jnp.int32)


@host_or_device
def _mean(xp: ModuleType, total: Total, n: Count) -> Any:
    whole = np.asarray(total.sum, np.float64) if xp is np else total.sum
    count = xp.asarray(n.floats())
    count = count.reshape(count.shape + (1,) * (whole.ndim - count.ndim))  # [..., 1]
    return xp.where(count > 0, (whole + total.rest) / xp.maximum(count, 1), np.nan)
