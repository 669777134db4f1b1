"""The average precision, from a histogram."""

from types import ModuleType
from typing import Any, NamedTuple

from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter import _ranking, _score_bins
from tntjax.meter._count import Count
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_or_device, host_zeros


class BinnedAP(NamedTuple):
    """An average precision, known but for an error."""

    average: Any
    """A float, in the middle of what it may be."""
    error: Any
    """A float, how far off it is at most, rounding included."""


@pytree
class BinnedAPMeter:
    """Measures the average precision of one class, and by how much it may be wrong.

    For streams of any length, where `APMeter` would keep every score: examples are
    counted in bins of scores. The exact value lies within `error` of the one returned.

    The average precision is the mean, over positive examples, of the precision above
    their score. Take a bin of p positive and q negative examples, with T positive and F
    negative ones in the bins above. The precision at one of its positive examples is
    t / (t + f), where t is at most T + p and f at least F, so that together they add at
    most p (T + p) / (T + p + F). The j-th of them from above has t >= T + j and
    f <= F + q = A, so that together they add at least the sum of (T + j) / (T + j + A),
    which is p - A (1 / (T + A + 1) + ... + 1 / (T + A + p)). As 1 / x is convex, each
    of these is at most its integral from 1/2 before x to 1/2 behind, and the whole at
    least p - A log(1 + p / (T + A + 1/2)). It is at least p (T + 1) / (T + 1 + A) too,
    which is exact for p = 1. The mean of the bounds is taken, and half their distance
    is the error.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Counts are
    exact up to 2**63 - 1. A NaN has no rank: the value is NaN then.

    Args:
      bins: how many equal parts there are from `low` to `high`.
      low: scores below it count in the first bin. The bound holds all the same.
      high: scores above it count in the last bin.
      counts: [bins + 1, 2], negative and positive examples; NaN comes last.
      n: how many examples came; `int(meter.n)` is exact.

    Raises:
      TypeError: if `bins` isn't an integer.
      ValueError: if `bins` is below 1, `low` and `high` are not finite or in order, or
        bins are so narrow that float32 cannot tell their edges apart.

    Example:
      >>> meter = BinnedAPMeter(bins=4).add([0.9, 0.3, 0.3, 0.1], [1, 1, 0, 0])
      >>> average, error = meter.value()
      >>> print(f"{average:.3f} {error:.3f}")
      0.917 0.083

    Torchnet: none; `meter/apmeter.lua` kept every score.
    """

    bins: int = static(default=1024)
    low: float = static(default=0.0)
    high: float = static(default=1.0)
    counts: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        _score_bins.start(self)

    def add(
        self, output: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None
    ) -> "BinnedAPMeter":
        """Counts examples in.

        Args:
          output: [B] or [B, 1] real scores, higher is more positive; [] for one.
          target: the same shape, real: positive where above 0.
          mask: [B] bool; False leaves the example out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if an array isn't real, or `mask` not bool.
          ValueError: if shapes don't fit, or a target is NaN.

        Example:
          >>> int(BinnedAPMeter().add([0.2, 0.9], [0, 1]).add(0.7, 0).n)
          3
        """
        return _score_bins.add(self, output, target, mask)

    def merge(self, other: "BinnedAPMeter") -> "BinnedAPMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter with the same bins.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no BinnedAPMeter.
          ValueError: if it has other bins.

        Example:
          >>> int(BinnedAPMeter().add(0.9, 1).merge(BinnedAPMeter().add(0.2, 0)).n)
          2
        """
        return _score_bins.merge(self, other)

    def reset(self) -> "BinnedAPMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same bins.

        Example:
          >>> BinnedAPMeter().add([0.2, 0.9], [0, 1]).reset()
          BinnedAPMeter(average=nan, error=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> BinnedAP:
        """Returns the average precision of one class with its error.

        Returns:
          `(average, error)`, NaN without positive examples.

        Example:
          >>> value = BinnedAPMeter(bins=4).add([0.3, 0.3], [1, 0]).value()
          >>> print(f"{value.average:.3f} {value.error:.3f}")
          0.750 0.250
        """
        return read(self, lambda meter: BinnedAP(*_bounds(meter.counts)))

    def __repr__(self) -> str:
        return show(self, _measured)


@host_or_device
def _bounds(xp: ModuleType, counts: Count) -> tuple[Any, Any]:
    inside, above = _score_bins.falling(xp, counts)
    (false, true), (false_above, true_above) = inside, above
    reached = true_above + true
    most = true * (reached / xp.maximum(reached + false_above, 1))
    other = false_above + false
    least = xp.maximum(
        true - other * xp.log1p(true / (true_above + other + 0.5)),
        true * (true_above + 1) / (true_above + 1 + other),
    )
    positives = true.sum(-1, keepdims=True)
    average = _ranking.total(xp, (most + least) / 2 / positives)
    error = _ranking.total(xp, (most - least) / 2 / positives)
    return _score_bins.rounded(xp, average, error, counts)


def _measured(meter: BinnedAPMeter) -> dict[str, Any]:
    average, error = meter.value()
    return {"average": f"{average:.6g}", "error": f"{error:.6g}", "n": int(meter.n)}
