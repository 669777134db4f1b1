from typing import Any, NamedTuple

from tntjax.meter.parts._bins import MeterOfBins, from_above, round_bounds
from tntjax.meter.parts._sums import sum_in_pairs


class BinnedAP(NamedTuple):
    """The middle of what an average may be, and the most that it is off, as floats."""

    average: Any
    error: Any


class BinnedAPMeter(MeterOfBins):
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

    A NaN has no rank: the value is NaN then.

    Args:
      bins, low, high: those of `BinnedAUCMeter`.

    Example:
      >>> meter = BinnedAPMeter(bins=4).add([0.9, 0.3, 0.3, 0.1], [1, 1, 0, 0])
      >>> average, error = meter.value()
      >>> print(f"{average:.3f} {error:.3f}")
      0.917 0.083

    Torchnet: none; `meter/apmeter.lua` kept every score.
    """

    def value(self) -> BinnedAP:
        """Returns `(average, error)`, rounding included; NaN without positive ones."""
        xp, inside, above = from_above(self.counts)
        (false, true), (false_above, true_above) = inside, above  # [..., bins] each
        reached = true_above + true
        most = true * (reached / xp.maximum(reached + false_above, 1))
        other = false_above + false
        least = xp.maximum(
            true - other * xp.log1p(true / (true_above + other + 0.5)),
            true * (true_above + 1) / (true_above + 1 + other),
        )
        positives = true.sum(-1, keepdims=True)
        average = sum_in_pairs(xp, (most + least) / 2 / positives)
        error = sum_in_pairs(xp, (most - least) / 2 / positives)
        return BinnedAP(*round_bounds(average, error, self.counts))
