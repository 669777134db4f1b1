import dataclasses
from typing import Any, Self

import numpy as np

from tntjax._array import namespace
from tntjax._struct import flag, static
from tntjax.meter.parts._arguments import check_convention
from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._sums import Mean
from tntjax.meter.parts._weighted import MeterOfPairs, squared_errors


class MSEMeter(MeterOfPairs):
    """Measures the mean squared error, of every element of an output, or its root.

    Args:
      root: measure the root of the mean.
      convention: what was measured before anything was counted: NaN by "standard",
        0 by "torchnet"; another is a ValueError.

    Example:
      >>> MSEMeter().add([1.0, 2.0], [1.0, 4.0])
      MSEMeter(mse=2, n=2)

    Torchnet: `meter/msemeter.lua`, which was 0 when empty and asked for two tensors of
    one type.
    """

    root: bool = flag(default=False)
    convention: str = static(default="standard", kw_only=True)
    errors: Mean = Mean()

    n = count_of("errors")

    def __post_init__(self) -> None:
        check_convention(self)

    def _count(self, outputs: Any, targets: Any, weight: Any, mask: Any) -> Self:
        errors = self.errors.add(squared_errors(outputs, targets), weight, mask)
        return dataclasses.replace(self, errors=errors)

    def value(self) -> Any:
        """Returns the mean squared error, or its root, a float."""
        mean = self.errors.value()
        xp = namespace(mean)
        mean = xp.sqrt(mean) if self.root else mean
        if self.convention == "standard":
            return mean
        return xp.where(self.n.floats() == 0, np.float32(0), mean)

    def summary(self) -> dict[str, Any]:
        """Returns the value under the name of what it is."""
        return {"rmse" if self.root else "mse": self.value()}
