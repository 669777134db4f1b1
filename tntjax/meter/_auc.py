from types import ModuleType
from typing import Any, NamedTuple

from tntjax.meter.parts import _ranking
from tntjax.meter.parts._scores import MeterOfScores


class AUC(NamedTuple):
    """The area under a ROC curve, a float, and the rates [slots + 1] float32."""

    area: Any
    tpr: Any
    fpr: Any


class AUCMeter(MeterOfScores):
    """Measures the area under the ROC curve, exactly.

    It is the probability that a positive example scores above a negative one, where
    equal scores count half. Every score is kept: in `capacity` slots, which are all
    there from the start so that compiled code can fill them, or without a capacity on
    the host, as many as come. For streams without an end there is `BinnedAUCMeter`.
    Outside of compiled code a meter with a capacity is copied by each `add`; one
    without is not.

    Scores are compared as float32. A NaN has no rank: the value is NaN then.

    Args:
      capacity: room for how many examples, at least 1: `len(dataset)`, say; or None.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> AUCMeter(capacity=100).add([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
      AUCMeter(area=0.875, n=4)

    Torchnet: `meter/aucmeter.lua`. There the curve rose and ran example by example, so
    that the area depended on the order of equal scores, which was no certain one. An
    empty meter gave 0.5 without a curve, a batch of one was an error, targets had to be
    0 or 1, and there were no weights.
    """

    def value(self) -> AUC:
        """Returns `(area, tpr, fpr)`, all NaN if a class is missing.

        The curve goes from (0, 0) to (1, 1), a point for each example in falling order
        of scores. Examples of equal score have the same point, free slots the last. In
        compiled code the area is right to about 1e-6, and all is NaN if it overflows.

        Raises:
          ValueError: if more examples came than there is capacity.
        """
        return _ranking.measure(self, _auc)

    def summary(self) -> dict[str, Any]:
        """Returns the area, or that the meter overflows."""
        return _ranking.summarize(self, "area", _ranking.area)


def _auc(xp: ModuleType, points: _ranking.Points) -> AUC:
    tpr, fpr = points.true / points.true[-1], points.false / points.false[-1]
    curve = points.along(0 * tpr[-1], tpr), points.along(0 * fpr[-1], fpr)
    return AUC(_ranking.area(xp, points), *curve)
