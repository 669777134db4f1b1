"""Sums of floats that do not lose what is small beside them."""

from types import ModuleType
from typing import Any

import numpy as np

from tntjax._struct import pytree
from tntjax.utils import host_or_device


@pytree
class Total:
    """Sums of any shape, to twice the digits of float32: `sum + rest`.

    Args:
      sum: [...] float32.
      rest: [...] float32, what rounding took off the sum.

    Example:
      >>> total = Total() + np.float32(2**24) + np.float32(1) + np.float32(-(2**24))
      >>> total.floats().item()
      1.0
    """

    sum: Any = np.float32(0)
    rest: Any = np.float32(0)

    @staticmethod
    def zeros(shape: tuple[int, ...]) -> "Total":
        """Returns sums of nothing, on the host."""
        return Total(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def __add__(self, other: Any) -> "Total":
        other = other if isinstance(other, Total) else Total(other, np.float32(0))
        return Total(*_plus((self.sum, self.rest), (other.sum, other.rest)))

    def floats(self) -> Any:
        """Returns float32, rounded."""
        return self.sum + self.rest


def two_sum(xp: ModuleType, a: Any, b: Any) -> tuple[Any, Any]:
    """Returns the rounded sum, and what rounding took off it, exactly (Knuth)."""
    total = a + b
    added = total - a
    lost = (a - (total - added)) + (b - added)
    return total, xp.where(xp.isfinite(total), lost, 0)  # not NaN beside infinity


def add_pairs(xp: ModuleType, mine: tuple, others: tuple) -> tuple[Any, Any]:
    """Adds two sums, each the rounded one and its rest."""
    total, lost = two_sum(xp, mine[0], others[0])
    return two_sum(xp, total, lost + (mine[1] + others[1]))


@host_or_device
def _plus(xp: ModuleType, mine: tuple, others: tuple) -> tuple[Any, Any]:
    total, lost = add_pairs(xp, mine, others)
    return xp.asarray(total), xp.asarray(lost).astype(np.float32)
