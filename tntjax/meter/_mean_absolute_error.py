"""The mean of absolute errors."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._struct import pytree
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._count import Count
from tntjax.meter._inputs import as_counts, as_pair, as_rows, check_mate
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_zeros


@pytree
class MeanAbsoluteErrorMeter:
    """Measures the mean absolute error.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Every element
    of an output is one error.

    Args:
      errors: the meter of the absolute errors.

    Example:
      >>> MeanAbsoluteErrorMeter().add([1.0, 2.0], [1.0, 4.0])
      MeanAbsoluteErrorMeter(error=1, n=2)

    Torchnet: not there.
    """

    errors: AverageValueMeter = AverageValueMeter()

    @property
    def n(self) -> Count:
        """How many errors were counted; `int(meter.n)` is exact."""
        return self.errors.n

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        n: ArrayLike = 1,
        *,
        mask: ArrayLike | None = None,
    ) -> "MeanAbsoluteErrorMeter":
        """Counts errors in.

        Args:
          output: [B, ...] real, or [] for one number.
          target: real, of the same shape.
          n: how often each error counts, an integer >= 0: [], or the leading axes.
          mask: bool, the leading axes of `output`; False leaves its errors out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if numbers aren't real, `n` not integer, or `mask` not bool.
          ValueError: if shapes don't fit, or `n` is negative or sums to 2**31 or more.

        Example:
          >>> MeanAbsoluteErrorMeter().add([1.0, 2.0], [3.0, 9.0], n=[3, 1])
          MeanAbsoluteErrorMeter(error=3.25, n=4)
        """
        name = "MeanAbsoluteErrorMeter.add"
        outputs, targets = as_pair(output, target, name)
        mask = as_rows(mask, outputs.shape, name)
        weight = as_counts(n, outputs.shape, name, mask)
        errors = _distances(outputs, targets)
        return MeanAbsoluteErrorMeter(self.errors.add(errors, weight, mask=mask))

    def merge(self, other: "MeanAbsoluteErrorMeter") -> "MeanAbsoluteErrorMeter":
        """Returns one meter for the errors of both.

        Args:
          other: another such meter.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no MeanAbsoluteErrorMeter.

        Example:
          >>> meter = MeanAbsoluteErrorMeter().add(1.0, 3.0)
          >>> meter.merge(meter.reset().add(1.0, 1.0))
          MeanAbsoluteErrorMeter(error=1, n=2)
        """
        check_mate(self, other)
        return dataclasses.replace(self, errors=self.errors.merge(other.errors))

    def reset(self) -> "MeanAbsoluteErrorMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A new meter.

        Example:
          >>> MeanAbsoluteErrorMeter().add(1.0, 3.0).reset()
          MeanAbsoluteErrorMeter(error=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> Any:
        """Returns the mean absolute error.

        Returns:
          A float, NaN if nothing was counted.

        Example:
          >>> MeanAbsoluteErrorMeter().add([0.0, 1.0], [2.0, 1.0]).value()
          1.0
        """
        return read(self, lambda meter: meter.errors.value().mean)

    def __repr__(self) -> str:
        return show(self, _measured)


def _measured(meter: MeanAbsoluteErrorMeter) -> dict[str, Any]:
    return {"error": f"{meter.value():.6g}", "n": int(meter.n)}


@jax.jit
def _distances(output: Any, target: Any) -> jax.Array:
    return jnp.abs(output.astype(jnp.float32) - target.astype(jnp.float32))
