"""The mean of absolute errors."""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp

from tntjax.meter.parts._count import Count
from tntjax.meter.parts._sums import Mean
from tntjax.meter.parts._weighted import MeterOfPairs


class MeanAbsoluteErrorMeter(MeterOfPairs):
    """Measures the mean absolute error.

    Every element of an output is one error.

    Args:
      errors: the mean of the absolute errors.

    Example:
      >>> MeanAbsoluteErrorMeter().add([1.0, 2.0], [1.0, 4.0])
      MeanAbsoluteErrorMeter(error=1, n=2)
    """

    errors: Mean = Mean()

    @property
    def n(self) -> Count:
        """The number of errors that were counted; `int(meter.n)` is exact."""
        return self.errors.n

    def _count(self, outputs: Any, targets: Any, weight: Any, mask: Any) -> Self:
        errors = self.errors.add(_distances(outputs, targets), weight, mask)
        return dataclasses.replace(self, errors=errors)

    def value(self) -> Any:
        """Returns the mean absolute error.

        Returns:
          A float, NaN if nothing was counted.

        Example:
          >>> MeanAbsoluteErrorMeter().add([0.0, 1.0], [2.0, 1.0]).value()
          1.0
        """
        return self.errors.value()

    def summary(self) -> dict[str, Any]:
        """Returns the value under the name of what it is."""
        return {"error": self.value()}


@jax.jit
def _distances(output: Any, target: Any) -> jax.Array:
    return jnp.abs(output.astype(jnp.float32) - target.astype(jnp.float32))
