"""The mean and the standard deviation of a stream of values."""

import functools
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import describe, pytree
from tntjax.meter._show import show
from tntjax.utils import as_array, as_mask, host_or_device, host_zeros, over_rows


class MeanStd(NamedTuple):
    """A mean and a standard deviation, each [] and of the meter's dtype."""

    mean: Any
    std: Any


@pytree
class AverageValueMeter:
    """Measures the mean and the standard deviation of values.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Counts are
    exact up to 2**31 - 1. The mean is kept to twice the digits of its dtype and the
    deviation about it (Chan's rule), so values that are large against their spread
    are measured well.

    Args:
      n: [] int32, how many values were counted.
      mean: [] float32, their mean.
      m2: [] float32, the sum of their squared distances from the mean.
      rest: [] float32, what rounding took off the mean.

    Example:
      >>> meter = AverageValueMeter()
      >>> meter = meter.add([1.0, 2.0]).add(6.0)
      >>> mean, std = meter.value()
      >>> print(f"{mean:.1f} {std:.4f}")
      3.0 2.6458

    Torchnet: `meter/averagevaluemeter.lua`. It took one number at a time, and took the
    difference of sums of squares, which lost the deviation of large values and could
    give the root of a negative number.
    """

    n: ArrayLike = np.int32(0)
    mean: ArrayLike = np.float32(0)
    m2: ArrayLike = np.float32(0)
    rest: ArrayLike = np.float32(0)

    def add(
        self, value: ArrayLike, n: ArrayLike = 1, *, mask: ArrayLike | None = None
    ) -> "AverageValueMeter":
        """Counts values in.

        Args:
          value: [] or any shape, real; each element is one value. Whatever its dtype,
            it is computed in that of the meter.
          n: how often each value counts, an integer >= 0: [], or the leading axes of
            `value`. `add(batch_mean, n=batch_size)` weighs a batch by its size.
          mask: bool, the leading axes of `value`; False leaves the values out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if `value` isn't real, `n` not integer, or `mask` not bool.
          ValueError: if shapes don't fit, or `n` is a Python int below 0 or above
            2**31 - 1.

        Example:
          >>> AverageValueMeter().add([1.0, 5.0, 9.0], mask=[True, True, False])
          AverageValueMeter(mean=3, std=2.82843, n=2)
        """
        values = _as_values(value, np.dtype(jnp.result_type(self.mean)))
        weight = over_rows(_as_counts(n), values.shape, "AverageValueMeter.add: n")
        if mask is not None:
            mask = as_mask(mask, values.shape, "AverageValueMeter.add: mask")
        return AverageValueMeter(*_add(self._moments(), values, weight, mask))

    def merge(self, other: "AverageValueMeter") -> "AverageValueMeter":
        """Returns one meter for the values of both.

        Args:
          other: another such meter.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no AverageValueMeter.

        Example:
          >>> AverageValueMeter().add(1.0).merge(AverageValueMeter().add(5.0))
          AverageValueMeter(mean=3, std=2.82843, n=2)
        """
        if not isinstance(other, AverageValueMeter):
            raise TypeError(
                "AverageValueMeter.merge needs an AverageValueMeter, got"
                f" {describe(other)}. To count a value in, use add."
            )
        return AverageValueMeter(*_merge(self._moments(), other._moments()))

    def reset(self) -> "AverageValueMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter of the same shapes and dtypes.

        Example:
          >>> AverageValueMeter().add(1.0).reset()
          AverageValueMeter(mean=nan, std=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> MeanStd:
        """Returns the mean and the standard deviation (with n - 1 in its divisor).

        Returns:
          `(mean, std)`, each [], both NaN if nothing was counted, `std` NaN for one
          value. NumPy numbers if the meter lies on the host.

        Example:
          >>> AverageValueMeter().add([1.0, 3.0]).value().mean.item()
          2.0
        """
        return MeanStd(*_mean_std(self.n, self.mean, self.m2))

    def _moments(self) -> tuple:
        return self.n, self.mean, self.m2, self.rest

    def __repr__(self) -> str:
        return show(self, _measured)


def _measured(meter: AverageValueMeter) -> dict[str, Any]:
    mean, std = meter.value()
    return {"mean": f"{mean:.6g}", "std": f"{std:.6g}", "n": meter.n}


def _as_values(value: Any, dtype: np.dtype) -> Any:
    """Returns real numbers as an array, one that lies on the host in the dtype."""
    value = as_array(value)
    if not (jnp.issubdtype(value.dtype, jnp.floating) or value.dtype.kind in "biu"):
        raise TypeError(
            "AverageValueMeter.add needs real numbers, got"
            f" {describe(value)}. Give it an array or a number."
        )
    if isinstance(value, jax.Array):
        return value
    with np.errstate(over="ignore"):
        return value.astype(dtype)  # here, since JAX would cut a large int64 to int32


def _as_counts(n: Any) -> Any:
    """Returns the weights as an integer array."""
    if isinstance(n, int) and not 0 <= n < 2**31:
        raise ValueError(f"AverageValueMeter.add needs 0 <= n < 2**31, got {n}.")
    n = as_array(n)
    if n.dtype.kind not in "iu":
        raise TypeError(
            f"AverageValueMeter.add needs integer n, got {describe(n)}: it says how"
            " often a value counts. To leave values out, pass mask=."
        )
    return n


@functools.partial(jax.jit, inline=True)
def _add(moments: tuple, value: Any, weight: Any, mask: Any) -> tuple:
    """Merges in the moments of a batch of values."""
    dtype = moments[1].dtype
    weight = jnp.broadcast_to(weight.astype(jnp.int32), value.shape)
    if mask is not None:
        weight = jnp.where(mask, weight, 0)
    # Measured from one of the values: products of large numbers, like the mean of the
    # batch itself, may be rounded once or not at all, as the compiler likes, and the
    # difference would be as large as the spread that is to be measured.
    value, counts = value.astype(dtype), weight > 0
    center = jnp.max(value, initial=-jnp.inf, where=counts)
    center = jnp.where(jnp.isfinite(center), center, 0)
    # a value that counts zero times may be anything, and NaN * 0 would be NaN
    offset = jnp.where(counts, value - center, 0)
    count, factor = weight.sum(dtype=jnp.int32), weight.astype(dtype)
    rest = (factor * offset).sum() / jnp.maximum(count, 1).astype(dtype)
    m2 = (factor * (offset - rest) ** 2).sum()
    return _combine(jnp, moments, (count, center, m2, rest))


def _combine(xp: ModuleType, mine: tuple, others: tuple) -> tuple:
    """Chan's rule, with the mean as an unevaluated sum of two floats."""
    (n, mean, m2, rest), (n_other, mean_other, m2_other, rest_other) = mine, others
    dtype = mean.dtype
    total = n + n_other
    divisor = xp.maximum(total, 1).astype(dtype)
    share = xp.asarray(n_other).astype(dtype) / divisor
    # an empty side must change nothing, not even beside an infinite mean
    distance = xp.where(n_other > 0, mean_other - mean, 0).astype(dtype)
    distance_rest = xp.where(n_other > 0, rest_other - rest, 0).astype(dtype)
    merged, lost = _two_sum(xp, mean, distance * share)
    merged, lost = _two_sum(xp, merged, lost + (rest + distance_rest * share))
    distance = distance + distance_rest
    between = xp.where(n > 0, distance * (xp.asarray(n).astype(dtype) * share), 0)
    spread = m2 + m2_other + between * xp.where(n > 0, distance, 0)
    parts = (merged, spread, lost)
    return total, *(xp.asarray(part).astype(dtype) for part in parts)


def _two_sum(xp: ModuleType, a: Any, b: Any) -> tuple[Any, Any]:
    """Returns the rounded sum, and what rounding took off it, exactly (Knuth)."""
    total = a + b
    added = total - a
    lost = (a - (total - added)) + (b - added)
    return total, xp.where(xp.isfinite(total), lost, 0)  # not NaN beside infinity


_merge = host_or_device(_combine)


@host_or_device
def _mean_std(xp: ModuleType, n: Any, mean: Any, m2: Any) -> tuple[Any, Any]:
    """NaN for what too few values leave open."""
    nan = np.array(np.nan, mean.dtype)
    variance = m2 / xp.maximum(n - 1, 1).astype(mean.dtype)
    return xp.where(n > 0, mean, nan), xp.sqrt(xp.where(n > 1, variance, nan))
