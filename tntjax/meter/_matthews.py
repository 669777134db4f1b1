from typing import Any

from tntjax._array import namespace
from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide


class MatthewsMeter(MeterOfConfusion):
    """Measures Matthews' correlation coefficient, of two classes or more (Gorodkin).

    Args:
      num_classes: how many classes there are.

    Example:
      >>> MatthewsMeter(2).add([0, 0, 1, 1], [0, 0, 0, 1])
      MatthewsMeter(correlation=0.57735, n=4)
    """

    _label = "correlation"

    def value(self) -> Any:
        """Returns a float from -1 to 1; NaN if one class is all there is on a side."""
        right, targets, predictions = self.cells()
        n, root = targets.sum(-1), namespace(targets).sqrt
        agreed = right.sum(-1) * n - (targets * predictions).sum(-1)
        spreads = [root(n**2 - (side**2).sum(-1)) for side in (targets, predictions)]
        return divide(agreed, spreads[0] * spreads[1])
