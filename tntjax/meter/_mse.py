"""The mean of squared errors."""

import dataclasses
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._count import Count
from tntjax.meter._inputs import (
    as_counts,
    as_pair,
    as_rows,
    check_convention,
    check_mate,
)
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_or_device, host_zeros


@pytree
class MSEMeter:
    """Measures the mean squared error, or its root.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Every element
    of an output is one error.

    Args:
      root: measure the root of the mean.
      convention: what was measured before anything was counted: NaN by "standard",
        0 by "torchnet".
      squares: the meter of the squared errors.

    Raises:
      ValueError: if `convention` is another.

    Example:
      >>> MSEMeter().add([1.0, 2.0], [1.0, 4.0])
      MSEMeter(mse=2, n=2)
      >>> MSEMeter(root=True).add([1.0, 3.0], [4.0, 0.0]).value()
      3.0

    Torchnet: `meter/msemeter.lua`, which was 0 when empty and asked for two tensors of
    one type.
    """

    root: bool = static(default=False)
    convention: str = static(default="standard", kw_only=True)
    squares: AverageValueMeter = AverageValueMeter()

    def __post_init__(self) -> None:
        check_convention(self)

    @property
    def n(self) -> Count:
        """How many errors were counted; `int(meter.n)` is exact."""
        return self.squares.n

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        n: ArrayLike = 1,
        *,
        mask: ArrayLike | None = None,
    ) -> "MSEMeter":
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
          >>> MSEMeter().add([1.0, 2.0], [3.0, 9.0], mask=[True, False])
          MSEMeter(mse=4, n=1)
        """
        outputs, targets = as_pair(output, target, "MSEMeter.add")
        mask = as_rows(mask, outputs.shape, "MSEMeter.add")
        weight = as_counts(n, outputs.shape, "MSEMeter.add", mask)
        squares = self.squares.add(squared_errors(outputs, targets), weight, mask=mask)
        return dataclasses.replace(self, squares=squares)

    def merge(self, other: "MSEMeter") -> "MSEMeter":
        """Returns one meter for the errors of both.

        Args:
          other: another such meter, made with the same arguments.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no MSEMeter.
          ValueError: if it was made with other arguments.

        Example:
          >>> MSEMeter().add(1.0, 3.0).merge(MSEMeter().add(1.0, 1.0))
          MSEMeter(mse=2, n=2)
        """
        check_mate(self, other)
        return dataclasses.replace(self, squares=self.squares.merge(other.squares))

    def reset(self) -> "MSEMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same arguments.

        Example:
          >>> MSEMeter().add(1.0, 3.0).reset()
          MSEMeter(mse=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> Any:
        """Returns the mean squared error, or its root.

        Returns:
          A float.

        Example:
          >>> MSEMeter(convention="torchnet").value()
          0.0
        """
        return read(self, _measure)

    def __repr__(self) -> str:
        return show(self, _measured)


def _measure(meter: MSEMeter) -> Any:
    torchnet = meter.convention == "torchnet"
    return _value(meter.squares.value().mean, meter.root, torchnet, meter.n)


def _measured(meter: MSEMeter) -> dict[str, Any]:
    name = "rmse" if meter.root else "mse"
    return {name: f"{meter.value():.6g}", "n": int(meter.n)}


@jax.jit
def squared_errors(output: Any, target: Any) -> jax.Array:
    """Returns float32, element by element."""
    return (output.astype(jnp.float32) - target.astype(jnp.float32)) ** 2


@host_or_device
def _value(xp: ModuleType, mean: Any, root: Any, torchnet: Any, n: Count) -> Any:
    empty = torchnet & (n.floats() == 0)
    return xp.where(empty, np.float32(0), xp.where(root, xp.sqrt(mean), mean))
