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

    It keeps every score as `APMeter` does, which gives the area. A NaN score has no
    rank: the value is NaN then.

    Args:
      capacity: how many examples there is room for, an integer >= 1, or None.

    Example:
      >>> meter = PrecisionRecallCurveMeter().add([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
      >>> precision, recall, thresholds = meter.value()
      >>> recall.tolist(), thresholds[:2].tolist()
      ([0.0, 0.5, 1.0, 1.0, 1.0], [inf, 0.8999999761581421])

    Torchnet: none; `meter/apmeter.lua` gave the average only.
    """

    def value(self) -> PrecisionRecallCurve:
        """Returns `(precision, recall, thresholds)`, from recall 0 and precision 1 on.

        Its points are those of `AUCMeter`, the first at an infinite threshold. Recall
        is NaN without positive examples, and both in compiled code if it overflows.

        Raises:
          ValueError: if more examples came than there is capacity.
        """
        return _ranking.measure(self, _curve)

    def plot(self, ax: Any = None) -> Any:
        """Draws the curve on `ax`, or on a new figure, and returns matplotlib's Axes.

        Raises:
          ImportError: if `ax` is None and matplotlib isn't installed.
        """
        curve, labels = self.value(), ("recall", "precision")
        how = "steps-pre"  # as it is not straight between its points
        return _plot.draw_curve(self, ax, curve.recall, curve.precision, labels, how)

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
