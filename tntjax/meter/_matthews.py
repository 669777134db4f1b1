"""The correlation of predicted and true classes."""

from typing import Any

from tntjax._array import namespace
from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide


class MatthewsMeter(MeterOfConfusion):
    """Measures Matthews' correlation coefficient, of two classes or more (Gorodkin).

    Args:
      num_classes: how many classes there are.
      confusion: what was counted.

    Example:
      >>> MatthewsMeter(2).add([0, 0, 1, 1], [0, 0, 0, 1])
      MatthewsMeter(correlation=0.57735, n=4)
    """

    def value(self) -> Any:
        """Returns a float from -1 to 1; NaN if one class is all there is on a side."""
        right, targets, predictions = self.cells()
        n = targets.sum(-1)
        # Shares of n, as float32, which compiled code has, would overflow.
        targets, predictions = (
            divide(side, n[..., None]) for side in (targets, predictions)
        )
        agreed = divide(right.sum(-1), n) - (targets * predictions).sum(-1)
        spread = (1 - (targets**2).sum(-1)) * (1 - (predictions**2).sum(-1))
        return divide(agreed, namespace(spread).sqrt(spread))

    def summary(self) -> dict[str, Any]:
        """Returns the value under the name of what it is."""
        return {"correlation": self.value()}
