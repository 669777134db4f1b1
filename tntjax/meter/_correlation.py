"""How two quantities move together."""

import functools
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree
from tntjax.meter import _moments
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._count import Count
from tntjax.meter._inputs import as_counts, as_pair, as_rows, check_mate
from tntjax.meter._moments import Moments
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.meter._total import add_pairs
from tntjax.utils import host_or_device, host_zeros


class Correlation(NamedTuple):
    """Pearson's correlation and the covariance, each a float."""

    pearson: Any
    covariance: Any


@pytree
class CorrelationMeter:
    """Measures Pearson's correlation of two quantities, and their covariance.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Products are
    taken about the means (Chan's rule), so large values of small spread are measured
    well.

    Args:
      outputs: the meter of the first quantity.
      targets: the meter of the second.
      cross: [] float32, the sum of the products of their distances from the means.
      cross_rest: [] float32, what rounding took off it.

    Example:
      >>> CorrelationMeter().add([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
      CorrelationMeter(pearson=1, covariance=2, n=3)

    Torchnet: not there.
    """

    outputs: AverageValueMeter = AverageValueMeter()
    targets: AverageValueMeter = AverageValueMeter()
    cross: ArrayLike = np.float32(0)
    cross_rest: ArrayLike = np.float32(0)

    @property
    def n(self) -> Count:
        """How many pairs were counted; `int(meter.n)` is exact."""
        return self.outputs.n

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        n: ArrayLike = 1,
        *,
        mask: ArrayLike | None = None,
    ) -> "CorrelationMeter":
        """Counts pairs in.

        Args:
          output: [B, ...] real, or [] for one number.
          target: real, of the same shape.
          n: how often each pair counts, an integer >= 0: [], or the leading axes.
          mask: bool, the leading axes of `output`; False leaves pairs out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if numbers aren't real, `n` not integer, or `mask` not bool.
          ValueError: if shapes don't fit, or `n` is negative or sums to 2**31 or more.

        Example:
          >>> value = CorrelationMeter().add([1.0, 2.0], [5.0, 3.0]).value()
          >>> print(f"{value.pearson:.3f} {value.covariance:.3f}")
          -1.000 -1.000
        """
        outputs, targets = as_pair(output, target, "CorrelationMeter.add")
        mask = as_rows(mask, outputs.shape, "CorrelationMeter.add")
        weight = as_counts(n, outputs.shape, "CorrelationMeter.add", mask)
        return _build(_add(self._parts(), outputs, targets, weight, mask))

    def merge(self, other: "CorrelationMeter") -> "CorrelationMeter":
        """Returns one meter for the pairs of both.

        Args:
          other: another such meter.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no CorrelationMeter.

        Example:
          >>> meter = CorrelationMeter().add(1.0, 2.0)
          >>> meter.merge(meter.reset().add(3.0, 4.0))
          CorrelationMeter(pearson=1, covariance=2, n=2)
        """
        check_mate(self, other)
        return _build(_merge(self._parts(), other._parts()))

    def reset(self) -> "CorrelationMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A new meter.

        Example:
          >>> CorrelationMeter().add(1.0, 2.0).reset()
          CorrelationMeter(pearson=nan, covariance=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> Correlation:
        """Returns the correlation and the covariance (with n - 1 in its divisor).

        Returns:
          `(pearson, covariance)`, each a float; both NaN for less than two pairs,
          `pearson` NaN if one quantity never changed.

        Example:
          >>> CorrelationMeter().add([1.0, 2.0], [1.0, 1.0]).value().pearson
          nan
        """
        return read(self, lambda meter: Correlation(*_value(meter._parts())))

    def _parts(self) -> "_Parts":
        outputs, targets = self.outputs.moments(), self.targets.moments()
        return _Parts(outputs, targets, (self.cross, self.cross_rest))

    def __repr__(self) -> str:
        return show(self, _measured)


class _Parts(NamedTuple):
    outputs: Moments
    targets: Moments
    cross: tuple[Any, Any]
    """The sum of products and what rounding took off it."""


def _build(parts: _Parts) -> CorrelationMeter:
    outputs, targets, cross = parts
    return CorrelationMeter(
        AverageValueMeter(*outputs), AverageValueMeter(*targets), *cross
    )


def _measured(meter: CorrelationMeter) -> dict[str, Any]:
    shown = {k: f"{number:.6g}" for k, number in meter.value()._asdict().items()}
    return {**shown, "n": int(meter.n)}


@functools.partial(jax.jit, inline=True)
def _add(parts: _Parts, output: Any, target: Any, weight: Any, mask: Any) -> _Parts:
    """Merges in what a batch of pairs has to say."""
    weight = _moments.weights(weight, mask, output.shape)
    (outputs, from_mean), (targets, from_target) = (
        _moments.of_batch(values.astype(jnp.float32), weight)
        for values in (output, target)
    )
    cross = (weight.astype(jnp.float32) * from_mean * from_target).sum()
    return _combine(jnp, parts, _Parts(outputs, targets, (cross, np.float32(0))))


def _combine(xp: ModuleType, mine: _Parts, others: _Parts) -> _Parts:
    """Puts two parts together by Chan's rule for products."""
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
    n, _, outputs = _moments.widened(xp, parts.outputs)
    targets = _moments.widened(xp, parts.targets)[-1]
    cross, nan = (
        parts.cross[0].astype(outputs.dtype) + parts.cross[1],
        np.float32(np.nan),
    )
    scale = xp.sqrt(outputs) * xp.sqrt(targets)
    ratio = xp.clip(cross / xp.where(scale == 0, 1, scale), -1, 1)
    pearson = xp.where((n > 1) & (scale != 0), ratio, nan)
    return pearson, xp.where(n > 1, cross / xp.maximum(n - 1, 1), nan)
