"""The curve of precision over recall."""

from types import ModuleType
from typing import Any, NamedTuple

from tntjax.meter.parts import _plot, _ranking
from tntjax.meter.parts._scores import MeterOfScores


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall above each threshold, each [slots + 1] float32."""

    precision: Any
    recall: Any
    thresholds: Any


class PrecisionRecallCurveMeter(MeterOfScores):
    """Measures precision and recall above every threshold, exactly.

    It keeps every score as `APMeter` does, which gives the area: in `capacity` slots,
    or without a capacity on the host. A NaN score has no rank:
    the value is NaN then.

    Args:
      capacity: how many examples there is room for, such as `len(dataset)`, or None.

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
        return _ranking.measure(self, _curve)

    def plot(self, ax: Any = None) -> Any:
        """Draws the curve with matplotlib on `ax`, or on a new figure.

        It is drawn in steps, as it is not straight between its points.

        Returns:
          matplotlib's Axes.

        Raises:
          ImportError: if `ax` is None and matplotlib isn't installed.
        """
        curve = self.value()
        return _plot.draw_curve(
            self,
            ax,
            curve.recall,
            curve.precision,
            ("recall", "precision"),
            "steps-pre",
        )

    def summary(self) -> dict[str, Any]:
        """Returns the average precision, or that the meter overflows."""
        return _ranking.summarize(self, "average", _ranking.average_precision)


def _curve(xp: ModuleType, points: _ranking.Points) -> PrecisionRecallCurve:
    recall = points.true / points.true[-1]
    precision = _ranking.precision(points)
    return PrecisionRecallCurve(
        points.along(1 + 0 * precision[-1], precision),
        points.along(0 * recall[-1], recall),
        points.thresholds(),
    )
