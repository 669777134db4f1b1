"""The average precision of each class."""

import functools
from typing import Any

from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter import _classes, _ranking, _rows, _scores
from tntjax.meter._count import Count
from tntjax.meter._read import read
from tntjax.meter._show import show


@pytree
class APMeter:
    """Measures the average precision of each class, exactly.

    The average precision of a class is the mean, over its positive examples, of the
    precision above their score; examples of equal score count together. Every score is
    kept: in `capacity` slots, which compiled code can fill, or without a capacity on
    the host, as many as come. For streams without an end there is
    `BinnedAPMeter`.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Outside of
    compiled code a meter with a capacity is copied by each `add`; one without is not.

    Scores are compared as float32. A NaN has no rank: the value is NaN then.

    Args:
      capacity: how many examples there is room for, such as `len(dataset)`, or None.
      num_classes: K; if None, 1 with a capacity, else as many as come first.
      convention: "standard" weighs positive examples in the mean too, and a class
        without positive examples has NaN.
        "torchnet" weighs examples in the precision only, and such a class
        has 0.
      scores: [capacity, K] float32, or a tuple of arrays.
      targets: [capacity, K] bool, or a tuple of arrays.
      weights: [capacity] float32, or a tuple of arrays; 0 in free slots.
      n: [] a pair of uint32, how many examples came; `int(meter.n)` is exact.

    Raises:
      TypeError: if `capacity` or `num_classes` isn't an integer.
      ValueError: if one is below 1, or there's no such convention.

    Example:
      >>> meter = APMeter(capacity=100, num_classes=2)
      >>> meter.add([[0.9, 0.1], [0.4, 0.8], [0.2, 0.3]], [[1, 0], [0, 0], [1, 1]])
      APMeter(class0=0.833333, class1=0.5, n=3)

    Torchnet: `meter/apmeter.lua`. There equal scores came in no certain order, an
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
    ) -> "APMeter":
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
          >>> APMeter().add([0.2, 0.9, 0.5], [0, 1, 1])
          APMeter(class0=1, n=3)
        """
        return _classes.add(self, output, target, weight, mask)

    def merge(self, other: "APMeter") -> "APMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter made with the same arguments; the result has
            room for `capacity` examples too.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no APMeter.
          ValueError: if it was made with other arguments.

        Example:
          >>> APMeter().add(0.9, 1).merge(APMeter().add(0.2, 0))
          APMeter(class0=1, n=2)
        """
        return _classes.merge(self, other)

    def reset(self) -> "APMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter made with the same arguments.

        Example:
          >>> APMeter().add([0.2, 0.9], [0, 1]).reset()
          APMeter(class0=nan, n=0)
        """
        return _rows.reset(self, _scores.COLUMNS)

    def value(self) -> Any:
        """Returns the average precision of each class.

        Returns:
          [K] float32, from 0 to 1; NaN if nothing was added. In compiled code it is
          right to about 1e-6, and NaN if the meter overflows.

        Raises:
          ValueError: if more examples came than there is capacity.

        Example:
          >>> APMeter().add([[0.2, 0.3], [0.9, 0.1]], [[1, 1], [0, 0]]).value().tolist()
          [0.5, 1.0]
        """
        return read(self, _averages)

    def __repr__(self) -> str:
        return show(self, _measured)


def _averages(meter: APMeter) -> Any:
    average = functools.partial(_ranking.average_precision, convention=meter.convention)
    return _ranking.measure(meter, average, _classes.form(meter))


def _measured(meter: APMeter) -> dict[str, Any]:
    if _rows.overflows(meter):
        return {"classes": "overflow", "capacity": meter.capacity, "n": int(meter.n)}
    values = [f"{value:.6g}" for value in meter.value()]
    shown = {f"class{number}": value for number, value in enumerate(values[:6])}
    more = {"classes": len(values)} if len(values) > len(shown) else {}
    return shown | more | {"n": int(meter.n)}
