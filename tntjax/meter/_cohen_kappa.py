from typing import Any

from tntjax.meter.parts._of_confusion import MeterOfConfusion, divide


class CohenKappaMeter(MeterOfConfusion):
    """Measures Cohen's kappa: by how much agreement exceeds that of chance.

    Args:
      num_classes: how many classes there are.

    Example:
      >>> CohenKappaMeter(2).add([0, 0, 1, 1], [0, 0, 0, 1])
      CohenKappaMeter(kappa=0.5, n=4)
    """

    _label = "kappa"

    def value(self) -> Any:
        """Returns a float, at most 1; NaN where chance alone agrees on all."""
        right, targets, predictions = self.cells()
        n = targets.sum(-1)
        chance = divide((targets * predictions).sum(-1), n)
        return divide(right.sum(-1) - chance, n - chance)
