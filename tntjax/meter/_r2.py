"""The share of the variance that a prediction explains."""

from types import ModuleType
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree
from tntjax.meter._average_value import AverageValueMeter
from tntjax.meter._count import Count
from tntjax.meter._inputs import as_counts, as_pair, as_rows, check_mate
from tntjax.meter._moments import Moments, widened
from tntjax.meter._mse import squared_errors
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_or_device, host_zeros


@pytree
class R2Meter:
    """Measures the coefficient of determination, 1 - squared errors / variance.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Every element
    of an output is one prediction, so several outputs are one variable together. The
    variance is taken about the mean by Chan's rule, never as a difference of sums.

    Args:
      squares: the meter of the squared errors.
      targets: the meter of the true values.

    Example:
      >>> R2Meter().add([2.0, 4.0, 6.0], [1.0, 4.0, 7.0])
      R2Meter(r2=0.888889, n=3)

    Torchnet: not there.
    """

    squares: AverageValueMeter = AverageValueMeter()
    targets: AverageValueMeter = AverageValueMeter()

    @property
    def n(self) -> Count:
        """How many predictions were counted; `int(meter.n)` is exact."""
        return self.targets.n

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        n: ArrayLike = 1,
        *,
        mask: ArrayLike | None = None,
    ) -> "R2Meter":
        """Counts predictions in.

        Args:
          output: [B, ...] real, or [] for one number.
          target: real, of the same shape.
          n: how often each counts, an integer >= 0: [], or the leading axes.
          mask: bool, the leading axes of `output`; False leaves predictions out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if numbers aren't real, `n` not integer, or `mask` not bool.
          ValueError: if shapes don't fit, or `n` is negative or sums to 2**31 or more.

        Example:
          >>> R2Meter().add([1.0, 3.0, 9.0], [1.0, 3.0, 0.0], mask=[True, True, False])
          R2Meter(r2=1, n=2)
        """
        outputs, targets = as_pair(output, target, "R2Meter.add")
        mask = as_rows(mask, outputs.shape, "R2Meter.add")
        weight = as_counts(n, outputs.shape, "R2Meter.add", mask)
        squares = self.squares.add(squared_errors(outputs, targets), weight, mask=mask)
        return R2Meter(squares, self.targets.add(targets, weight, mask=mask))

    def merge(self, other: "R2Meter") -> "R2Meter":
        """Returns one meter for the predictions of both.

        Args:
          other: another such meter.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no R2Meter.

        Example:
          >>> R2Meter().add(1.0, 1.0).merge(R2Meter().add(3.0, 3.0))
          R2Meter(r2=1, n=2)
        """
        check_mate(self, other)
        squares = self.squares.merge(other.squares)
        return R2Meter(squares, self.targets.merge(other.targets))

    def reset(self) -> "R2Meter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A new meter.

        Example:
          >>> R2Meter().add(1.0, 1.0).reset()
          R2Meter(r2=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> Any:
        """Returns the coefficient of determination.

        Returns:
          A float, at most 1. NaN for less than two predictions; of true values that are
          all alike, 1 if all predictions are right and 0 else, as scikit-learn has it.

        Example:
          >>> R2Meter().add([1.0, 2.0], [3.0, 3.0]).value()
          0.0
        """
        return read(self, lambda m: _r2(m.squares.moments(), m.targets.moments()))

    def __repr__(self) -> str:
        return show(self, _measured)


def _measured(meter: R2Meter) -> dict[str, Any]:
    return {"r2": f"{meter.value():.6g}", "n": int(meter.n)}


@host_or_device
def _r2(xp: ModuleType, squares: Moments, targets: Moments) -> Any:
    n, mean, _ = widened(xp, squares)
    m2 = widened(xp, targets)[-1]
    unexplained = mean / xp.where(m2 == 0, 1, m2 / xp.maximum(n, 1))
    flat = xp.where(mean == 0, 0, xp.where(mean > 0, 1, mean))
    share = xp.where(m2 == 0, flat, unexplained)
    return xp.where(n > 1, 1 - share, np.float32(np.nan))
