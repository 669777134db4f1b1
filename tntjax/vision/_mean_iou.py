"""Intersection over union of maps of classes."""

from typing import Any, NamedTuple

from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide, mean_of_known


class Overlap(NamedTuple):
    """An overlap from 0 to 1: the `mean`, and [num_classes] of the `classes`.

    NaN of a class that neither is there nor is predicted; the mean is of the others.
    """

    mean: Any
    classes: Any


class MeanIoUMeter(MeterOfConfusion):
    """Measures the intersection over union of maps of classes, over all pixels added.

    Args:
      num_classes: how many classes there are.
      confusion: what was counted.

    Example:
      >>> meter = MeanIoUMeter(2).add([[[0, 1], [1, 1]]], [[[0, 1], [0, 255]]])
      >>> meter.value()
      Overlap(mean=0.5, classes=array([0.5, 0.5]))

    As in PASCAL VOC and Cityscapes: pixels of all images are counted together.
    """

    def value(self) -> Overlap:
        """Returns the intersection over the union."""
        both, targets, predictions = self.cells()
        return compare(both, targets + predictions - both)

    def summary(self) -> dict[str, Any]:
        """Returns the mean over classes."""
        return {"mean": self.value().mean}


def compare(part: Any, whole: Any) -> Overlap:
    """Returns the share of each class, and their mean."""
    classes = divide(part, whole)
    return Overlap(mean_of_known(classes), classes)
