from typing import Any

from tntjax.meter._meter import in_percent
from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide, mean_of_known


class BalancedAccuracyMeter(MeterOfConfusion):
    """Measures the mean recall of the classes that there are, in percent.

    Args:
      num_classes: how many classes there are.

    Example:
      >>> BalancedAccuracyMeter(2).add([0, 0, 1, 1], [0, 0, 0, 1])
      BalancedAccuracyMeter(accuracy=83.3333%, n=4)
    """

    def value(self) -> Any:
        """Returns the percentage, a float; NaN before anything was counted."""
        right, targets, _ = self.cells()
        return 100 * mean_of_known(divide(right, targets))

    def summary(self) -> dict[str, Any]:
        """Returns the value under the name of what it is."""
        return {"accuracy": in_percent(self.value())}
