"""The mean of the average precisions of classes."""

import functools
from types import ModuleType
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter import _classes, _ranking, _rows, _scores
from tntjax.meter._count import Count
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_or_device


@pytree
class mAPMeter:
    """Measures the mean over classes of the average precision, exactly.

    The average precision of a class is the mean, over its positive examples, of the
    precision above their score; examples of equal score count together. Every score is
    kept: in `capacity` slots, which compiled code can fill, or without a capacity on
    the host, as many as come.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Outside of
    compiled code a meter with a capacity is copied by each `add`; one without is not.

    Scores are compared as float32. A NaN has no rank: the value is NaN then.

    Args:
      capacity: how many examples there is room for, such as `len(dataset)`, or None.
      num_classes: K; if None, 1 with a capacity, else as many as come first.
      convention: "standard" weighs positive examples in the mean too, and classes
        without positive examples are left out of the mean over classes.
        "torchnet" weighs examples in the precision only, and such classes
        count as 0.
      scores: [capacity, K] float32, or a tuple of arrays.
      targets: [capacity, K] bool, or a tuple of arrays.
      weights: [capacity] float32, or a tuple of arrays; 0 in free slots.
      n: [] a pair of uint32, how many examples came; `int(meter.n)` is exact.

    Raises:
      TypeError: if `capacity` or `num_classes` isn't an integer.
      ValueError: if one is below 1, or there's no such convention.

    Example:
      >>> meter = mAPMeter(capacity=100, num_classes=2)
      >>> meter.add([[0.9, 0.1], [0.4, 0.8], [0.2, 0.3]], [[1, 0], [0, 0], [1, 1]])
      mAPMeter(mean=0.666667, n=3)

    Torchnet: `meter/mapmeter.lua`. There equal scores came in no certain order, an
    empty meter was an error, and weights went to other examples if some were added
    without. Targets had to be 0 or 1. What weights and classes without positive
    examples mean there, `convention="torchnet"` does.
    """

    capacity: int | None = static(default=None)
    num_classes: int | None = static(default=None)
    convention: str = static(default="standard")
    scores: Any = None
    targets: Any = None
    weights: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        _classes.start(self)

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
    ) -> "mAPMeter":
        """Counts examples in.

        Args:
          output: [B, K] real scores, higher is more positive. [B] are examples of one
            class, but [K] one example if `num_classes` is more than 1.
          target: the same shape, real: positive where above 0.
          weight: [B], [B, 1] or [], real and at least 0, how much an example counts;
            1 if None.
          mask: [B] bool; False leaves the example out, and takes no slot.

        Returns:
          The new meter; of the same structure, shapes and dtypes with a capacity.

        Raises:
          TypeError: if an array isn't real, `mask` not bool, or there is no capacity
            in compiled code.
          ValueError: if shapes don't fit, there are other classes than before, or in
            the memory of the host a target is NaN or a weight negative or not finite.

        Example:
          >>> mAPMeter().add([0.2, 0.9, 0.5], [0, 1, 1])
          mAPMeter(mean=1, n=3)
        """
        return _classes.add(self, output, target, weight, mask)

    def merge(self, other: "mAPMeter") -> "mAPMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter made with the same arguments; the result has
            room for `capacity` examples too.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no mAPMeter.
          ValueError: if it was made with other arguments.

        Example:
          >>> mAPMeter().add(0.9, 1).merge(mAPMeter().add(0.2, 0))
          mAPMeter(mean=1, n=2)
        """
        return _classes.merge(self, other)

    def reset(self) -> "mAPMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter made with the same arguments.

        Example:
          >>> mAPMeter().add([0.2, 0.9], [0, 1]).reset()
          mAPMeter(mean=nan, n=0)
        """
        return _rows.reset(self, _scores.COLUMNS)

    def value(self) -> Any:
        """Returns the mean of the average precisions.

        Returns:
          A float, from 0 to 1; NaN if nothing was added. In compiled code it is right
          to about 1e-6, and NaN if the meter overflows.

        Raises:
          ValueError: if more examples came than there is capacity.

        Example:
          >>> meter = mAPMeter().add([[0.2, 0.3], [0.9, 0.1]], [[1, 1], [0, 0]])
          >>> meter.value()
          0.75
        """
        return read(self, _mean_of_averages)

    def __repr__(self) -> str:
        return show(self, _measured)


def _mean_of_averages(meter: mAPMeter) -> Any:
    average = functools.partial(_average, convention=meter.convention)
    return _mean(*_ranking.measure(meter, average, _classes.form(meter)))


def _average(xp: ModuleType, points: _ranking.Points, convention: str) -> Any:
    """The average precision of a class, and whether the class counts."""
    average = _ranking.average_precision(xp, points, convention)
    # not "> 0": what was spoiled by a NaN must show
    return average, (points.true[-1] != 0) | (convention == "torchnet")


@host_or_device
def _mean(xp: ModuleType, averages: Any, counted: Any) -> Any:
    kept = xp.where(counted, averages, 0).sum(-1)
    return (kept / counted.sum(-1)).astype(np.float32)


def _measured(meter: mAPMeter) -> dict[str, Any]:
    if _rows.overflows(meter):
        return {"mean": "overflow", "capacity": meter.capacity, "n": int(meter.n)}
    return {"mean": f"{meter.value():.6g}", "n": int(meter.n)}
