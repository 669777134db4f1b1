from types import ModuleType
from typing import Any, NamedTuple

from tntjax.meter.parts import _plot, _ranking
from tntjax.meter.parts._scores import MeterOfScores


class ROCCurve(NamedTuple):
    """Rates above each threshold, from the highest down; each [slots + 1] float32."""

    fpr: Any
    tpr: Any
    thresholds: Any


class ROCCurveMeter(MeterOfScores):
    """Measures the true and the false positive rate above every threshold, exactly.

    It keeps every score as `AUCMeter` does, which also gives the area. A NaN score has
    no rank: the value is NaN then.

    Args:
      capacity: how many examples there is room for, an integer >= 1, or None.

    Example:
      >>> meter = ROCCurveMeter().add([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
      >>> fpr, tpr, thresholds = meter.value()
      >>> fpr.tolist(), tpr.tolist()
      ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0, 1.0])

    Torchnet: the curve of `meter/aucmeter.lua`, which had no thresholds and no weights
    and a point between equal scores, in no certain order.
    """

    def value(self) -> ROCCurve:
        """Returns the curve `(fpr, tpr, thresholds)`, from (0, 0) to (1, 1).

        Its points are those of `AUCMeter`, the first at an infinite threshold. It is
        NaN if a class is missing, and so are rates in compiled code if it overflows.

        Raises:
          ValueError: if more examples came than there is capacity.
        """
        return _ranking.measure(self, _curve)

    def plot(self, ax: Any = None) -> Any:
        """Draws the curve on `ax`, or on a new figure, and returns matplotlib's Axes.

        Raises:
          ImportError: if `ax` is None and matplotlib isn't installed.
        """
        curve, labels = self.value(), ("false positive rate", "true positive rate")
        return _plot.draw_curve(self, ax, curve.fpr, curve.tpr, labels)

    def summary(self) -> dict[str, Any]:
        """Returns the area under the curve, or that the meter overflows."""
        return _ranking.summarize(self, "area", _ranking.area)


def _curve(xp: ModuleType, points: _ranking.Points) -> ROCCurve:
    tpr, fpr = points.true / points.true[-1], points.false / points.false[-1]
    rates = points.along(0 * fpr[-1], fpr), points.along(0 * tpr[-1], tpr)
    return ROCCurve(*rates, points.thresholds())
