from typing import Any

from tntjax.meter._meter import in_percent
from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide, mean_of_known


class SpecificityMeter(MeterOfConfusion):
    """Measures the true negative rate of each class, in percent: TN / (TN + FP).

    Args:
      num_classes: how many classes there are.

    Example:
      >>> meter = SpecificityMeter(2).add([0, 0, 1, 1], [0, 0, 0, 1])
      >>> [f"{share:.2f}" for share in meter.value()]
      ['100.00', '66.67']
    """

    def value(self) -> Any:
        """Returns [num_classes] percentages; NaN where all there is is of the class."""
        right, targets, predictions = self.cells()
        others = targets.sum(-1, keepdims=True) - targets
        return 100 * divide(others - (predictions - right), others)

    def summary(self) -> dict[str, Any]:
        """Returns the mean over classes."""
        return {"mean": in_percent(mean_of_known(self.value()))}
