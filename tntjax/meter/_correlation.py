import functools
from types import ModuleType
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import host_or_device, namespace
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._meter import check_same
from tntjax.meter.parts import _moments
from tntjax.meter.parts._count import check_single, count_of
from tntjax.meter.parts._inputs import spread_counts
from tntjax.meter.parts._sums import add_pairs
from tntjax.meter.parts._weighted import MeterOfPairs


class Correlation(NamedTuple):
    """Pearson's correlation and the covariance, each a float."""

    pearson: Any
    covariance: Any


class CorrelationMeter(MeterOfPairs):
    """Measures Pearson's correlation of two quantities, and their covariance.

    Products are taken about the means (Chan's rule), so large values of small spread
    are measured well.

    Args:
      outputs, targets: the meters of the two quantities.
      cross, cross_rest: [] float32, the sum of the products of their distances from the
        means, and what rounding took off it.

    Example:
      >>> CorrelationMeter().add([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
      CorrelationMeter(pearson=1, covariance=2, n=3)
    """

    outputs: AverageValueMeter = AverageValueMeter()
    targets: AverageValueMeter = AverageValueMeter()
    cross: ArrayLike = np.float32(0)
    cross_rest: ArrayLike = np.float32(0)

    n = count_of("outputs")

    def _count(self, outputs: Any, targets: Any, weight: Any, mask: Any) -> Self:
        check_single(self.n, 0)
        return _add(self, outputs, targets, weight, mask)

    def merge(self, other: Self) -> Self:
        """Returns one meter for the pairs of both, by Chan's rule."""
        check_same(self, other)
        return _merge(self, other)

    def value(self) -> Correlation:
        """Returns floats `(pearson, covariance)`, the latter divided by n - 1.

        Both are NaN for less than two pairs, `pearson` if a quantity never changed.
        """
        n, _, outputs = _moments.widen(self.outputs.moments())
        xp, targets = namespace(n), _moments.widen(self.targets.moments())[-1]
        cross = xp.asarray(self.cross).astype(outputs.dtype) + self.cross_rest
        scale = xp.sqrt(outputs) * xp.sqrt(targets)
        ratio = xp.clip(cross / xp.where(scale == 0, 1, scale), -1, 1)
        pearson = xp.where((n > 1) & (scale != 0), ratio, np.float32(np.nan))
        covariance = cross / xp.maximum(n - 1, 1)
        return Correlation(pearson, xp.where(n > 1, covariance, np.float32(np.nan)))


@functools.partial(jax.jit, inline=True)
def _add(meter: Any, output: Any, target: Any, weight: Any, mask: Any) -> Any:
    weight = spread_counts(weight, mask, output.shape)  # [...]
    pair = (values.astype(jnp.float32) for values in (output, target))
    batch = [_moments.of_batch(values, weight) for values in pair]
    cross = (weight.astype(jnp.float32) * batch[0][1] * batch[1][1]).sum()
    outputs, targets = (AverageValueMeter(*moments) for moments, _ in batch)
    return _combine(jnp, meter, CorrelationMeter(outputs, targets, cross))


def _combine(xp: ModuleType, mine: Any, others: Any) -> CorrelationMeter:
    """Merges two meters by Chan's rule for products."""
    pairs = (mine.outputs, others.outputs), (mine.targets, others.targets)
    merged = (_moments.combine(xp, a.moments(), b.moments()) for a, b in pairs)
    outputs, targets = (AverageValueMeter(*moments) for moments in merged)
    gaps = [(b.mean - a.mean) + (b.rest - a.rest) for a, b in pairs]
    n, n_other = mine.outputs.n.floats(), others.outputs.n.floats()
    share = n_other / xp.maximum(n + n_other, 1)
    # one empty side must change nothing, not even beside an infinite mean
    both = (n > 0) & (n_other > 0)
    between = xp.where(both, gaps[0] * (n * share) * gaps[1], 0)
    cross = others.cross + between, others.cross_rest
    cross = add_pairs(xp, (mine.cross, mine.cross_rest), cross)
    cross = (xp.asarray(part).astype(np.float32) for part in cross)
    return CorrelationMeter(outputs, targets, *cross)


_merge = host_or_device(_combine)
