from typing import Any, NamedTuple

from tntjax.meter.parts._bins import MeterOfBins, from_above, round_bounds
from tntjax.meter.parts._sums import sum_in_pairs


class BinnedAUC(NamedTuple):
    """The middle of what an area may be, and the most that it is off, as floats."""

    area: Any
    error: Any


class BinnedAUCMeter(MeterOfBins):
    """Measures the area under the ROC curve, and by how much it may be wrong.

    For streams of any length, where `AUCMeter` would keep every score: examples are
    counted in bins of scores. The exact value lies within `error` of the one returned.

    The area is the share of pairs of a positive and a negative example in which the
    positive one scores higher, equal scores counting half. Pairs of two bins are known.
    Of the p * q pairs in a bin of p positive and q negative examples something between
    none and all counts; half of them is taken. So with P and N of them in all the error
    is at most the sum over bins of p * q / 2, divided by P * N.

    A NaN has no rank: the value is NaN then.

    Args:
      bins: how many equal parts there are from `low` to `high`, at least 1 and not so
        many that float32 cannot tell their edges apart.
      low, high: finite; scores beyond count in the outer bins, and the bound holds.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> meter = BinnedAUCMeter(bins=4).add([0.9, 0.3, 0.3, 0.1], [1, 1, 0, 0])
      >>> area, error = meter.value()
      >>> print(f"{area:.3f} {error:.3f}")
      0.875 0.125

    Torchnet: none; `meter/aucmeter.lua` kept every score.
    """

    def value(self) -> BinnedAUC:
        """Returns `(area, error)`, rounding included; NaN if a class is missing."""
        xp, inside, above = from_above(self.counts)
        (false, true), (_, true_above) = inside, above  # [..., bins] each
        positives, negatives = (part.sum(-1, keepdims=True) for part in (true, false))
        chance, ties = false / negatives, true / positives
        area = sum_in_pairs(xp, chance * (true_above / positives + ties / 2))
        error = sum_in_pairs(xp, chance * ties / 2)
        return BinnedAUC(*round_bounds(area, error, self.counts))
