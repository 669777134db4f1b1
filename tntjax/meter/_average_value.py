"""The mean and the standard deviation of a stream of values."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree
from tntjax.meter import _moments
from tntjax.meter._count import Count
from tntjax.meter._inputs import as_counts, as_floats, as_rows, check_mate
from tntjax.meter._moments import Moments
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_zeros


class MeanStd(NamedTuple):
    """A mean and a standard deviation, each a float."""

    mean: Any
    std: Any


@pytree
class AverageValueMeter:
    """Measures the mean and the standard deviation of values.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Counts are
    exact up to 2**63 - 1. Mean and squares are kept to twice the digits of their dtype,
    the squares about the mean (Chan's rule), so values that are large against their
    spread are measured well, however many there are.

    An infinite value makes the mean infinite, infinities of both signs or NaN make it
    NaN, as in NumPy; the deviation is NaN then.

    Args:
      n: [] a pair of uint32, how many values were counted; `int(meter.n)` is exact.
      mean: [] float32, their mean.
      m2: [] float32, the sum of their squared distances from the mean.
      rest: [] float32, what rounding took off the mean.
      m2_rest: [] float32, what it took off the sum.

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

    n: Count = Count()
    mean: ArrayLike = np.float32(0)
    m2: ArrayLike = np.float32(0)
    rest: ArrayLike = np.float32(0)
    m2_rest: ArrayLike = np.float32(0)

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
          ValueError: if shapes don't fit, or `n` is negative or sums to 2**31 or more.

        Example:
          >>> AverageValueMeter().add([1.0, 5.0, 9.0], mask=[True, True, False])
          AverageValueMeter(mean=3, std=2.82843, n=2)
        """
        name, dtype = "AverageValueMeter.add", np.dtype(jnp.result_type(self.mean))
        values = as_floats(value, dtype, name)
        mask = as_rows(mask, values.shape, name)
        weight = as_counts(n, values.shape, name, mask)
        return AverageValueMeter(*_add(self.moments(), values, weight, mask))

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
        check_mate(self, other)
        return AverageValueMeter(*_moments.merge(self.moments(), other.moments()))

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
          `(mean, std)`, each a float, both NaN if nothing was counted, `std` NaN for
          one value.

        Example:
          >>> AverageValueMeter().add([1.0, 3.0]).value().mean
          2.0
        """
        return read(self, lambda meter: MeanStd(*_moments.mean_std(meter.moments())))

    def moments(self) -> Moments:
        """Returns the fields as a tuple, which parts of other meters compute with.

        Example:
          >>> int(AverageValueMeter().add(1.0).moments().n)
          1
        """
        return Moments(self.n, self.mean, self.m2, self.rest, self.m2_rest)

    def __repr__(self) -> str:
        return show(self, _measured)


def _measured(meter: AverageValueMeter) -> dict[str, Any]:
    mean, std = meter.value()
    return {"mean": f"{mean:.6g}", "std": f"{std:.6g}", "n": int(meter.n)}


@functools.partial(jax.jit, inline=True)
def _add(moments: Moments, value: Any, weight: Any, mask: Any) -> Moments:
    """Merges in the moments of a batch of values."""
    weight = _moments.weights(weight, mask, value.shape)
    batch, _ = _moments.of_batch(value.astype(moments.mean.dtype), weight)
    return _moments.combine(jnp, moments, batch)
