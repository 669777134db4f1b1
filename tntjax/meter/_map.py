import functools
from types import ModuleType
from typing import Any

import numpy as np

from tntjax._array import namespace
from tntjax.meter.parts import _ranking
from tntjax.meter.parts._scores import MeterOfClasses


class mAPMeter(MeterOfClasses):
    """Measures the mean over classes of the average precision, exactly.

    It keeps every score as `APMeter` does, which says what an average precision is.

    Args:
      capacity, num_classes: those of `APMeter`.
      convention: that of `APMeter`; "standard" leaves classes without positive examples
        out of the mean over classes, "torchnet" counts them as 0.

    Example:
      >>> meter = mAPMeter(capacity=100, num_classes=2)
      >>> meter.add([[0.9, 0.1], [0.4, 0.8], [0.2, 0.3]], [[1, 0], [0, 0], [1, 1]])
      mAPMeter(mean=0.666667, n=3)

    Torchnet: `meter/mapmeter.lua`, which differs as `meter/apmeter.lua` does from
    `APMeter`.
    """

    def value(self) -> Any:
        """Returns a float, from 0 to 1; see `APMeter.value`."""
        average = functools.partial(_average, convention=self.convention)
        averages, counted = _ranking.measure(self, average)  # [..., K]
        kept = namespace(averages).where(counted, averages, 0).sum(-1)
        return (kept / counted.sum(-1)).astype(np.float32)

    def summary(self) -> dict[str, Any]:
        """Returns the mean, or that the meter overflows."""
        if self.overflows():
            return {"mean": "overflow", "capacity": self.capacity}
        return {"mean": self.value()}


def _average(xp: ModuleType, points: _ranking.Points, convention: str) -> Any:
    """Returns the average precision of a class, and True if the class counts."""
    average = _ranking.average_precision(xp, points, convention)
    # not "> 0": what was spoiled by a NaN must show
    return average, (points.true[-1] != 0) | (convention == "torchnet")
