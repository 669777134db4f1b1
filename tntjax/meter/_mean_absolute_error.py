import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp

from tntjax.meter.parts._count import count_of
from tntjax.meter.parts._sums import Mean
from tntjax.meter.parts._weighted import MeterOfPairs


class MeanAbsoluteErrorMeter(MeterOfPairs):
    """Measures the mean absolute error, of every element of an output.

    Example:
      >>> MeanAbsoluteErrorMeter().add([1.0, 2.0], [1.0, 4.0])
      MeanAbsoluteErrorMeter(error=1, n=2)
    """

    errors: Mean = Mean()

    n = count_of("errors")
    _label = "error"

    def _count(self, outputs: Any, targets: Any, weight: Any, mask: Any) -> Self:
        errors = self.errors.add(_distances(outputs, targets), weight, mask)
        return dataclasses.replace(self, errors=errors)

    def value(self) -> Any:
        """Returns a float, NaN if nothing was counted."""
        return self.errors.value()


@jax.jit
def _distances(output: Any, target: Any) -> jax.Array:
    return jnp.abs(output.astype(jnp.float32) - target.astype(jnp.float32))
