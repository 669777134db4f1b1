"""Intersection over union of maps of classes."""

from typing import Any, NamedTuple

from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide, mean_of_known


class Overlap(NamedTuple):
    """An overlap from 0 to 1: the `mean`, and [num_classes] of the `classes`."""

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
        """Returns the overlaps; NaN of a class that neither is there nor is predicted.

        The mean is of the others.
        """
        both, targets, predictions = self.cells()
        classes = divide(both, targets + predictions - both)
        return Overlap(mean_of_known(classes), classes)

    def summary(self) -> dict[str, Any]:
        """Returns the mean over classes."""
        return {"mean": self.value().mean}
