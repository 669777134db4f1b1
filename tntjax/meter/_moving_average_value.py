import dataclasses
from types import ModuleType
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import host_or_device, namespace
from tntjax._struct import static
from tntjax.meter._average_value import MeanStd
from tntjax.meter._meter import Meter, check_same
from tntjax.meter.parts._arguments import check_convention, check_size
from tntjax.meter.parts._count import check_single
from tntjax.meter.parts._inputs import Mask, as_floats, as_rows
from tntjax.meter.parts._mesh import gather


class MovingAverageValueMeter(Meter):
    """Measures the mean and the standard deviation of the last values.

    Both are computed from the values that are there, so nothing drifts. What `merge` is
    given came later: merging is associative, and its order matters.

    Args:
      window_size: how many values are looked at, at least 1.
      convention: "standard" as `AverageValueMeter`: NaN if there is no value, and no
        deviation of a single one. "torchnet": 0 for both.
      values: [window_size] float32, the oldest first, filled from the end.
      n: [] int32, how many are there.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> MovingAverageValueMeter(2).add([9.0, 1.0]).add(3.0)
      MovingAverageValueMeter(mean=2, std=1.41421, n=2)

    Torchnet: `meter/movingaveragevaluemeter.lua`. Its running sums drifted, and could
    give the root of a negative number.
    """

    window_size: int = static()
    convention: str = static(default="standard", kw_only=True)
    values: Any = None
    n: ArrayLike = np.int32(0)

    def __post_init__(self) -> None:
        check_convention(self)
        size = check_size(self.window_size, "MovingAverageValueMeter needs window_size")
        vars(self).update(window_size=size)
        if self.values is None:
            vars(self).update(values=np.zeros(size, np.float32))

    def add(self, value: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts values in; see `Meter.add`.

        Args:
          value: [...] real; each element is one value, the first ones came first.
          mask: bool, the leading axes of `value`; False leaves the values out.
        """
        name = "MovingAverageValueMeter.add"
        check_single(self.n, 0)
        values = as_floats(value, np.float32, name)
        valid = as_rows(True if mask is None else mask, values.shape, name)
        return _push(self, jnp.asarray(values), valid)

    def merge(self, other: Self) -> Self:
        """Returns one meter for the values of both, those of `other` being later."""
        check_same(self, other)
        return _chain(self, other)

    def value(self) -> MeanStd:
        """Returns floats `(mean, std)`, with n - 1 in the divisor of `std`."""
        few = np.float32(0 if self.convention == "torchnet" else np.nan)
        xp = namespace(self.values)
        count = xp.asarray(self.n)
        valid = _there(xp, self.window_size, count[..., None])  # [..., window_size]
        center = self.values[..., -1:]  # as in other meters: measured from one of them
        center = xp.where(xp.isfinite(center), center, 0)  # [..., 1]
        offset = xp.where(valid, self.values - center, 0)
        rest = offset.sum(-1) / xp.maximum(count, 1).astype(np.float32)
        spread = xp.where(valid, (offset - rest[..., None]) ** 2, 0).sum(-1)
        variance = spread / xp.maximum(count - 1, 1).astype(np.float32)
        mean = xp.where(count > 0, center[..., 0] + rest, few)
        return MeanStd(mean, xp.where(count > 1, xp.sqrt(variance), few))


def _there(xp: ModuleType, size: int, n: Any) -> Any:
    """Returns True for the places that hold a value, [size] or [..., size]."""
    return xp.arange(size, dtype=np.int32) >= size - n


def _keep_last(xp: ModuleType, meter: Any, values: Any, valid: Any) -> Any:
    """Returns the meter of the last valid values."""
    size = meter.window_size
    places = xp.argsort(valid, stable=True, axis=-1)[..., -size:]  # [..., size]
    kept, there = (xp.take_along_axis(x, places, -1) for x in (values, valid))
    count = xp.minimum(valid.sum(-1, dtype=np.int32), np.int32(size))
    kept, n = xp.where(there, kept, 0).astype(np.float32), xp.asarray(count, np.int32)
    return dataclasses.replace(meter, values=kept, n=n)


@host_or_device
def _push(xp: ModuleType, meter: Any, new: Any, valid: Any) -> Any:
    meter, new, valid = gather((meter, new, valid))
    valid = xp.broadcast_to(valid, new.shape).reshape(-1)
    both = xp.concatenate([meter.values, new.reshape(-1).astype(np.float32)])
    there = _there(xp, meter.window_size, meter.n)
    return _keep_last(xp, meter, both, xp.concatenate([there, valid]))


@host_or_device
def _chain(xp: ModuleType, mine: Any, later: Any) -> Any:
    counts = (xp.asarray(meter.n)[..., None] for meter in (mine, later))
    valid = [_there(xp, mine.window_size, count) for count in counts]
    values = xp.concatenate([mine.values, later.values], -1)
    return _keep_last(xp, mine, values, xp.concatenate(valid, -1))
