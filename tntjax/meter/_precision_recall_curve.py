"""The curve of precision over recall."""

from types import ModuleType
from typing import Any, NamedTuple

from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter import _plot, _ranking, _rows, _scores
from tntjax.meter._count import Count
from tntjax.meter._read import read
from tntjax.meter._show import show


class PrecisionRecallCurve(NamedTuple):
    """What is above each threshold, from the highest down; each [slots + 1] float32."""

    precision: Any
    recall: Any
    thresholds: Any


@pytree
class PrecisionRecallCurveMeter:
    """Measures precision and recall above every threshold, exactly.

    It keeps every score as `APMeter` does, which gives the area: in `capacity` slots,
    or without a capacity on the host. A monoid: `add` and `merge` return a new meter,
    so rebind the result. A NaN score has no rank: the value is NaN then.

    Args:
      capacity: how many examples there is room for, such as `len(dataset)`, or None.
      scores: [capacity] float32, or a tuple of arrays.
      targets: [capacity] bool, or a tuple of arrays.
      weights: [capacity] float32, or a tuple of arrays; 0 in free slots.
      n: [] a pair of uint32, how many examples came; `int(meter.n)` is exact.

    Raises:
      TypeError: if `capacity` isn't an integer.
      ValueError: if it is below 1.

    Example:
      >>> meter = PrecisionRecallCurveMeter().add([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
      >>> precision, recall, thresholds = meter.value()
      >>> recall.tolist(), thresholds[:2].tolist()
      ([0.0, 0.5, 1.0, 1.0, 1.0], [inf, 0.8999999761581421])

    Torchnet: none; `meter/apmeter.lua` gave the average only.
    """

    capacity: int | None = static(default=None)
    scores: Any = None
    targets: Any = None
    weights: Any = None
    n: Count = Count()

    def __post_init__(self) -> None:
        _rows.start(self, _scores.form())

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
    ) -> "PrecisionRecallCurveMeter":
        """Counts examples in.

        Args:
          output: [B] or [B, 1] real scores, higher is more positive; [] for one.
          target: the same shape, real: positive where above 0.
          weight: [B] or [], real and at least 0, how much each example counts.
          mask: [B] bool; False leaves the example out, and takes no slot.

        Returns:
          The new meter; of the same structure, shapes and dtypes with a capacity.

        Raises:
          TypeError: if an array isn't real, `mask` not bool, or there is no capacity
            in compiled code.
          ValueError: if shapes don't fit, or in the memory of the host a target is NaN
            or a weight negative or not finite.

        Example:
          >>> PrecisionRecallCurveMeter().add([0.2, 0.9], [0, 1]).add(0.7, 0)
          PrecisionRecallCurveMeter(average=1, n=3)
        """
        return _scores.add(self, output, target, weight, mask)

    def merge(self, other: "PrecisionRecallCurveMeter") -> "PrecisionRecallCurveMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter with the same capacity, which is that of the
            result too.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no PrecisionRecallCurveMeter.
          ValueError: if it has another capacity.

        Example:
          >>> meter = PrecisionRecallCurveMeter().add(0.9, 1)
          >>> meter.merge(meter.reset().add(0.2, 0))
          PrecisionRecallCurveMeter(average=1, n=2)
        """
        return _rows.merge(self, other, _scores.COLUMNS)

    def reset(self) -> "PrecisionRecallCurveMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same capacity.

        Example:
          >>> PrecisionRecallCurveMeter().add([0.2, 0.9], [0, 1]).reset()
          PrecisionRecallCurveMeter(average=nan, n=0)
        """
        return _rows.reset(self, _scores.COLUMNS)

    def value(self) -> PrecisionRecallCurve:
        """Returns the curve, from recall 0 and precision 1 on.

        There is a point for each example in falling order of scores, after a first one
        at an infinite threshold. Examples of equal score have the same point, free
        slots the last.

        Returns:
          `(precision, recall, thresholds)`; recall is NaN without positive examples. In
          compiled code they are NaN if the meter overflows.

        Raises:
          ValueError: if more examples came than there is capacity.

        Example:
          >>> meter = PrecisionRecallCurveMeter().add([0.2, 0.9], [1, 0])
          >>> meter.value().precision.tolist()
          [1.0, 0.0, 0.5]
        """
        return read(self, lambda meter: _ranking.measure(meter, _curve))

    def plot(self, ax: Any = None) -> Any:
        """Draws the curve with matplotlib, in steps, as it isn't straight between.

        Args:
          ax: the Axes to draw on; on a new figure if None.

        Returns:
          The Axes.

        Raises:
          ImportError: if `ax` is None and matplotlib isn't installed.

        Example:
          >>> meter = PrecisionRecallCurveMeter().add([0.2, 0.9], [0, 1])
          >>> meter.plot()  # doctest: +SKIP
        """
        axes, curve = _plot.axes_of(ax, "PrecisionRecallCurveMeter"), self.value()
        names = ("recall", "precision", repr(self))
        _plot.draw(axes, curve.recall, curve.precision, names, "steps-pre")
        return axes

    def __repr__(self) -> str:
        return show(self, _measured)


def _curve(xp: ModuleType, points: _ranking.Points) -> PrecisionRecallCurve:
    recall = points.true / points.true[-1]
    precision = _ranking.precision(points)
    return PrecisionRecallCurve(
        points.along(1 + 0 * precision[-1], precision),
        points.along(0 * recall[-1], recall),
        points.thresholds(),
    )


def _measured(meter: PrecisionRecallCurveMeter) -> dict[str, Any]:
    return _ranking.shown(meter, "average", _ranking.average_precision)
