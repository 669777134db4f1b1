"""The area under the ROC curve, from a histogram."""

from types import ModuleType
from typing import Any, NamedTuple

from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter import _ranking, _score_bins
from tntjax.meter._count import Count
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_or_device, host_zeros


class BinnedAUC(NamedTuple):
    """An area under a ROC curve, known but for an error."""

    area: Any
    """A float, in the middle of what it may be."""
    error: Any
    """A float, how far off it is at most, rounding included."""


@pytree
class BinnedAUCMeter:
    """Measures the area under the ROC curve, and by how much it may be wrong.

    For streams of any length, where `AUCMeter` would keep every score: examples are
    counted in bins of scores. The exact value lies within `error` of the one returned.

    The area is the share of pairs of a positive and a negative example in which the
    positive one scores higher, equal scores counting half. Pairs of two bins are known.
    Of the p * q pairs in a bin of p positive and q negative examples something between
    none and all counts; half of them is taken. So with P and N of them in all the error
    is at most the sum over bins of p * q / 2, divided by P * N.

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
      >>> meter = BinnedAUCMeter(bins=4).add([0.9, 0.3, 0.3, 0.1], [1, 1, 0, 0])
      >>> area, error = meter.value()
      >>> print(f"{area:.3f} {error:.3f}")
      0.875 0.125

    Torchnet: none; `meter/aucmeter.lua` kept every score.
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
    ) -> "BinnedAUCMeter":
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
          >>> int(BinnedAUCMeter().add([0.2, 0.9], [0, 1]).add(0.7, 0).n)
          3
        """
        return _score_bins.add(self, output, target, mask)

    def merge(self, other: "BinnedAUCMeter") -> "BinnedAUCMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter with the same bins.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no BinnedAUCMeter.
          ValueError: if it has other bins.

        Example:
          >>> int(BinnedAUCMeter().add(0.9, 1).merge(BinnedAUCMeter().add(0.2, 0)).n)
          2
        """
        return _score_bins.merge(self, other)

    def reset(self) -> "BinnedAUCMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same bins.

        Example:
          >>> BinnedAUCMeter().add([0.2, 0.9], [0, 1]).reset()
          BinnedAUCMeter(area=nan, error=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> BinnedAUC:
        """Returns the area under the ROC curve with its error.

        Returns:
          `(area, error)`, NaN if a class is missing.

        Example:
          >>> value = BinnedAUCMeter(bins=4).add([0.3, 0.3], [1, 0]).value()
          >>> print(f"{value.area:.3f} {value.error:.3f}")
          0.500 0.500
        """
        return read(self, lambda meter: BinnedAUC(*_bounds(meter.counts)))

    def __repr__(self) -> str:
        return show(self, _measured)


@host_or_device
def _bounds(xp: ModuleType, counts: Count) -> tuple[Any, Any]:
    inside, above = _score_bins.falling(xp, counts)
    (false, true), (_, true_above) = inside, above
    positives, negatives = (part.sum(-1, keepdims=True) for part in (true, false))
    chance, ties = false / negatives, true / positives
    area = _ranking.total(xp, chance * (true_above / positives + ties / 2))
    error = _ranking.total(xp, chance * ties / 2)
    return _score_bins.rounded(xp, area, error, counts)


def _measured(meter: BinnedAUCMeter) -> dict[str, Any]:
    area, error = meter.value()
    return {"area": f"{area:.6g}", "error": f"{error:.6g}", "n": int(meter.n)}
