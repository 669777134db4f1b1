import functools
from typing import Any

from tntjax.meter.parts import _ranking
from tntjax.meter.parts._scores import MeterOfClasses


class APMeter(MeterOfClasses):
    """Measures the average precision of each class, exactly.

    The average precision of a class is the mean, over its positive examples, of the
    precision above their score; examples of equal score count together. Every score is
    kept, as by `AUCMeter`. For streams without an end there is `BinnedAPMeter`.

    Args:
      capacity: how many examples there is room for, at least 1, or None.
      num_classes: K; if None, 1 with a capacity, else as many as come first.
      convention: "standard" weighs positive examples in the mean too, and a class
        without any has NaN. "torchnet" weighs examples in the precision only, and such
        a class has 0.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> meter = APMeter(capacity=100, num_classes=2)
      >>> meter.add([[0.9, 0.1], [0.4, 0.8], [0.2, 0.3]], [[1, 0], [0, 0], [1, 1]])
      APMeter(class0=0.833333, class1=0.5, n=3)

    Torchnet: `meter/apmeter.lua`. There equal scores came in no certain order, an
    empty meter was an error, and weights went to other examples if some were added
    without. Targets had to be 0 or 1. What weights and classes without positive
    examples mean there, `convention="torchnet"` does.
    """

    def value(self) -> Any:
        """Returns [K] float32, from 0 to 1; NaN if nothing was added.

        In compiled code it is right to about 1e-6, and NaN if the meter overflows.

        Raises:
          ValueError: if more examples came than there is capacity.
        """
        average = functools.partial(
            _ranking.average_precision, convention=self.convention
        )
        return _ranking.measure(self, average)

    def summary(self) -> dict[str, Any]:
        """Returns the first classes, or that the meter overflows."""
        if self.overflows():
            return {"classes": "overflow", "capacity": self.capacity}
        values = self.value()
        shown = {f"class{number}": value for number, value in enumerate(values[:6])}
        return shown | ({"classes": len(values)} if len(values) > len(shown) else {})
