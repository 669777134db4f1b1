import functools
from types import ModuleType
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import host_or_device
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._meter import check_same
from tntjax.meter.parts import _moments
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._inputs import spread_counts
from tntjax.meter.parts._moments import Moments
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
        return _build(_add(self._parts(), outputs, targets, weight, mask))

    def merge(self, other: Self) -> Self:
        """Returns one meter for the pairs of both, by Chan's rule."""
        check_same(self, other)
        return _build(_merge(self._parts(), other._parts()))

    def value(self) -> Correlation:
        """Returns floats `(pearson, covariance)`, the latter divided by n - 1.

        Both are NaN for less than two pairs, `pearson` if a quantity never changed.
        """
        return Correlation(*_value(self._parts()))

    def _parts(self) -> "_Parts":
        outputs, targets = self.outputs.moments(), self.targets.moments()
        return _Parts(outputs, targets, (self.cross, self.cross_rest))


class _Parts(NamedTuple):
    outputs: Moments
    targets: Moments
    cross: tuple[Any, Any]  # the sum of products and what rounding took off it


def _build(parts: _Parts) -> Any:
    outputs, targets, cross = parts
    return CorrelationMeter(
        AverageValueMeter(*outputs), AverageValueMeter(*targets), *cross
    )


@functools.partial(jax.jit, inline=True)
def _add(parts: _Parts, output: Any, target: Any, weight: Any, mask: Any) -> _Parts:
    weight = spread_counts(weight, mask, output.shape)
    (outputs, from_mean), (targets, from_target) = (
        _moments.of_batch(values.astype(jnp.float32), weight)
        for values in (output, target)
    )
    cross = (weight.astype(jnp.float32) * from_mean * from_target).sum()
    return _combine(jnp, parts, _Parts(outputs, targets, (cross, np.float32(0))))


def _combine(xp: ModuleType, mine: _Parts, others: _Parts) -> _Parts:
    """Merges two parts by Chan's rule for products."""
    pairs = (mine.outputs, others.outputs), (mine.targets, others.targets)
    outputs, targets = (_moments.combine(xp, *pair) for pair in pairs)
    gaps = [(b.mean - a.mean) + (b.rest - a.rest) for a, b in pairs]
    n, n_other = mine.outputs.n.floats(), others.outputs.n.floats()
    share = n_other / xp.maximum(n + n_other, 1)
    # one empty side must change nothing, not even beside an infinite mean
    both = (n > 0) & (n_other > 0)
    between = xp.where(both, gaps[0] * (n * share) * gaps[1], 0)
    cross = add_pairs(xp, mine.cross, (others.cross[0] + between, others.cross[1]))
    total, rest = (xp.asarray(part).astype(np.float32) for part in cross)
    return _Parts(outputs, targets, (total, rest))


_merge = host_or_device(_combine)


@host_or_device
def _value(xp: ModuleType, parts: _Parts) -> tuple[Any, Any]:
    n, _, outputs = _moments.widen(xp, parts.outputs)
    targets = _moments.widen(xp, parts.targets)[-1]
    cross = parts.cross[0].astype(outputs.dtype) + parts.cross[1]
    nan = np.float32(np.nan)
    scale = xp.sqrt(outputs) * xp.sqrt(targets)
    ratio = xp.clip(cross / xp.where(scale == 0, 1, scale), -1, 1)
    pearson = xp.where((n > 1) & (scale != 0), ratio, nan)
    return pearson, xp.where(n > 1, cross / xp.maximum(n - 1, 1), nan)
