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

    Example:
      >>> CorrelationMeter().add([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
      CorrelationMeter(pearson=1, covariance=2, n=3)

    Torchnet: not there.
    """

    outputs: AverageValueMeter = AverageValueMeter()
    targets: AverageValueMeter = AverageValueMeter()
    cross: ArrayLike = np.float32(0)

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
          ValueError: if shapes don't fit.

        Example:
          >>> CorrelationMeter().add([1.0, 2.0], [5.0, 3.0]).value().pearson
          -1.0
        """
        outputs, targets = as_pair(output, target, "CorrelationMeter.add")
        weight = as_counts(n, outputs.shape, "CorrelationMeter.add")
        mask = as_rows(mask, outputs.shape, "CorrelationMeter.add")
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

    def _parts(self) -> tuple[Moments, Moments, Any]:
        return self.outputs.moments(), self.targets.moments(), self.cross

    def __repr__(self) -> str:
        return show(self, _measured)


def _build(parts: tuple[Moments, Moments, Any]) -> CorrelationMeter:
    outputs, targets, cross = parts
    return CorrelationMeter(
        AverageValueMeter(*outputs), AverageValueMeter(*targets), cross
    )


def _measured(meter: CorrelationMeter) -> dict[str, Any]:
    shown = {k: f"{number:.6g}" for k, number in meter.value()._asdict().items()}
    return {**shown, "n": int(meter.n)}


@functools.partial(jax.jit, inline=True)
def _add(parts: tuple, output: Any, target: Any, weight: Any, mask: Any) -> tuple:
    """Merges in what a batch of pairs has to say."""
    weight = _moments.weights(weight, mask, output.shape)
    (outputs, from_mean), (targets, from_target) = (
        _moments.of_batch(values.astype(jnp.float32), weight)
        for values in (output, target)
    )
    cross = (weight.astype(jnp.float32) * from_mean * from_target).sum()
    return _combine(jnp, parts, (outputs, targets, cross))


def _combine(xp: ModuleType, mine: tuple, others: tuple) -> tuple:
    """Chan's rule for products."""
    outputs, targets = (_moments.combine(xp, mine[i], others[i]) for i in (0, 1))
    n, n_other = mine[0].n.floats(), others[0].n.floats()
    gaps = [
        (others[i].mean - mine[i].mean) + (others[i].rest - mine[i].rest)
        for i in (0, 1)
    ]
    share = n_other / xp.maximum(n + n_other, 1)
    # one empty side must change nothing, not even beside an infinite mean
    both = (n > 0) & (n_other > 0)
    between = xp.where(both, gaps[0] * (n * share) * gaps[1], 0)
    cross = mine[2] + others[2] + between
    return outputs, targets, xp.asarray(cross).astype(np.float32)


_merge = host_or_device(_combine)


@host_or_device
def _value(xp: ModuleType, parts: tuple[Moments, Moments, Any]) -> tuple[Any, Any]:
    outputs, targets, cross = parts
    n, nan = outputs.n.floats(), np.float32(np.nan)
    scale = xp.sqrt(outputs.m2) * xp.sqrt(targets.m2)
    ratio = xp.clip(cross / xp.where(scale > 0, scale, 1), -1, 1)
    pearson = xp.where((n > 1) & (scale != 0), ratio, nan)
    return pearson, xp.where(n > 1, cross / xp.maximum(n - 1, 1), nan)
