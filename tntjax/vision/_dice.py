"""Dice's coefficient of maps of classes."""

from typing import Any

from tntjax.meter.parts._of_confusion import MeterOfConfusion
from tntjax.vision._mean_iou import Overlap, compare


class DiceMeter(MeterOfConfusion):
    """Measures Dice's coefficient of maps of classes: the F1 score of their pixels.

    Args:
      num_classes: how many classes there are.
      confusion: what was counted.

    Example:
      >>> DiceMeter(2).add([[[0, 1], [1, 1]]], [[[0, 1], [0, 255]]]).value().classes
      array([0.66666667, 0.66666667])
    """

    def value(self) -> Overlap:
        """Returns twice the intersection over the sum of both."""
        both, targets, predictions = self.cells()
        return compare(2 * both, targets + predictions)

    def summary(self) -> dict[str, Any]:
        """Returns the mean over classes."""
        return {"mean": self.value().mean}
