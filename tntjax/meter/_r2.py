import dataclasses
from typing import Any, Self

import numpy as np

from tntjax._array import namespace
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._moments import widen
from tntjax.meter.parts._sums import Mean
from tntjax.meter.parts._weighted import MeterOfPairs, squared_errors


class R2Meter(MeterOfPairs):
    """Measures the coefficient of determination, 1 - squared errors / variance.

    Every element of an output is one prediction, so several outputs are one variable
    together. The variance is taken about the mean by Chan's rule.

    Example:
      >>> R2Meter().add([2.0, 4.0, 6.0], [1.0, 4.0, 7.0])
      R2Meter(r2=0.888889, n=3)
    """

    squares: Mean = Mean()
    targets: AverageValueMeter = AverageValueMeter()

    n = count_of("targets")
    _label = "r2"

    def _count(self, outputs: Any, targets: Any, weight: Any, mask: Any) -> Self:
        squares = self.squares.add(squared_errors(outputs, targets), weight, mask)
        sums = self.targets.add(targets, weight, mask=mask)
        return dataclasses.replace(self, squares=squares, targets=sums)

    def value(self) -> Any:
        """Returns a float, at most 1; NaN for less than two predictions.

        Of true values that are all alike it is 1 if all predictions are right and 0
        else, as scikit-learn has it.
        """
        error = self.squares.value()
        xp = namespace(error)
        n, _, m2 = widen(self.targets.moments())
        unexplained = error / xp.where(m2 == 0, 1, m2 / xp.maximum(n, 1))
        flat = xp.where(error == 0, 0, xp.where(error > 0, 1, error))
        share = xp.where(m2 == 0, flat, unexplained)
        return xp.where(n > 1, 1 - share, np.float32(np.nan))
