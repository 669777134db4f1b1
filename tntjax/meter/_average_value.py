import functools
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import namespace
from tntjax.meter._meter import check_same
from tntjax.meter.parts import _moments
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import spread_counts
from tntjax.meter.parts._moments import Moments
from tntjax.meter.parts._weighted import MeterOfValues


class MeanStd(NamedTuple):
    """A mean and a standard deviation, each a float."""

    mean: Any
    std: Any


class AverageValueMeter(MeterOfValues):
    """Measures the mean and the standard deviation of values.

    Mean and squares are kept to twice the digits of their dtype, the squares about the
    mean (Chan's rule), so values that are large against their spread are measured well,
    however many there are.

    An infinite value makes the mean infinite, infinities of both signs or NaN make it
    NaN, as in NumPy; the deviation is NaN then.

    Args:
      n: [] a pair of uint32, how many values were counted; `int(meter.n)` is exact.
      mean, rest: [] float32, their mean, and what rounding took off it.
      m2, m2_rest: [] float32, the sum of their squared distances from it, likewise.

    Example:
      >>> mean, std = AverageValueMeter().add([1.0, 2.0]).add(6.0).value()
      >>> print(f"{mean:.1f} {std:.4f}")
      3.0 2.6458

    Torchnet: `meter/averagevaluemeter.lua`. It took one number at a time, and took the
    difference of sums of squares, which lost the deviation of large values and could
    give the root of a negative number.
    """

    n: Count = Count()
    mean: ArrayLike = np.float32(0)
    m2: ArrayLike = np.float32(0)
    rest: ArrayLike = np.float32(0)
    m2_rest: ArrayLike = np.float32(0)

    def _dtype(self) -> Any:
        return np.dtype(jnp.result_type(self.mean))

    def _count(self, values: Any, weight: Any, mask: Any) -> Self:
        check_single(self.n, 0)
        return type(self)(*_add(self.moments(), values, weight, mask))

    def merge(self, other: Self) -> Self:
        """Returns one meter for the values of both, by Chan's rule."""
        check_same(self, other)
        return type(self)(*_moments.merge(self.moments(), other.moments()))

    def value(self) -> MeanStd:
        """Returns floats `(mean, std)`, with n - 1 in the divisor of `std`.

        Both are NaN if nothing was counted, and `std` for one value.
        """
        count, mean, m2 = _moments.widen(self.moments())
        xp, nan = namespace(count), np.array(np.nan, mean.dtype)
        count = count.astype(mean.dtype)
        variance = xp.where(count > 1, m2 / xp.maximum(count - 1, 1), nan)
        return MeanStd(xp.where(count > 0, mean, nan), xp.sqrt(variance))

    def moments(self) -> Moments:
        """Returns the fields as a tuple, which parts of other meters compute with."""
        return Moments(self.n, self.mean, self.m2, self.rest, self.m2_rest)


@functools.partial(jax.jit, inline=True)
def _add(moments: Moments, value: Any, weight: Any, mask: Any) -> Moments:
    weight = spread_counts(weight, mask, value.shape)
    batch, _ = _moments.of_batch(value.astype(moments.mean.dtype), weight)
    return _moments.combine(jnp, moments, batch)
