"""The area under the ROC curve."""

from types import ModuleType
from typing import Any, NamedTuple

from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter import _ranking, _rows, _scores
from tntjax.meter._count import Count
from tntjax.meter._read import read
from tntjax.meter._show import show


class AUC(NamedTuple):
    """The area under a ROC curve, and the curve."""

    area: Any
    """A float, from 0 to 1."""
    tpr: Any
    """[slots + 1] float32, the true positive rate above each score, from 0 to 1."""
    fpr: Any
    """[slots + 1] float32, the false positive rate."""


@pytree
class AUCMeter:
    """Measures the area under the ROC curve, exactly.

    It is the probability that a positive example scores above a negative one, where
    equal scores count half. Every score is kept: in `capacity` slots, which are all
    there from the start so that compiled code can fill them, or without a capacity on
    the host, as many as come. For streams without an end there is `BinnedAUCMeter`.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Outside of
    compiled code a meter with a capacity is copied by each `add`; one without is not.

    Scores are compared as float32. A NaN has no rank: the value is NaN then.

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
      >>> meter = AUCMeter(capacity=100).add([0.9, 0.4, 0.4, 0.1], [1, 1, 0, 0])
      >>> meter
      AUCMeter(area=0.875, n=4)

    Torchnet: `meter/aucmeter.lua`. There the curve rose and ran example by example, so
    that the area depended on the order of equal scores, which was no certain one. An
    empty meter gave 0.5 without a curve, a batch of one was an error, targets had to be
    0 or 1, and there were no weights.
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
    ) -> "AUCMeter":
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
          >>> AUCMeter().add([0.2, 0.9], [0, 1]).add(0.7, 0)
          AUCMeter(area=1, n=3)
        """
        return _scores.add(self, output, target, weight, mask)

    def merge(self, other: "AUCMeter") -> "AUCMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter with the same capacity, which is that of the
            result too.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no AUCMeter.
          ValueError: if it has another capacity.

        Example:
          >>> AUCMeter().add(0.9, 1).merge(AUCMeter().add(0.2, 0))
          AUCMeter(area=1, n=2)
        """
        return _rows.merge(self, other, _scores.COLUMNS)

    def reset(self) -> "AUCMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same capacity.

        Example:
          >>> AUCMeter().add([0.2, 0.9], [0, 1]).reset()
          AUCMeter(area=nan, n=0)
        """
        return _rows.reset(self, _scores.COLUMNS)

    def value(self) -> AUC:
        """Returns the area and the curve.

        The curve goes from (0, 0) to (1, 1), a point for each example in falling order
        of scores. Examples of equal score have the same point, free slots the last.

        Returns:
          `(area, tpr, fpr)`, all NaN if a class is missing. In compiled code the area
          is right to about 1e-6, and all are NaN if the meter overflows.

        Raises:
          ValueError: if more examples came than there is capacity.

        Example:
          >>> AUCMeter().add([0.2, 0.9], [0, 1]).value().tpr.tolist()
          [0.0, 1.0, 1.0]
        """
        return read(self, lambda meter: _ranking.measure(meter, _auc))

    def __repr__(self) -> str:
        return show(self, _measured)


def _auc(xp: ModuleType, points: _ranking.Points) -> AUC:
    tpr, fpr = points.true / points.true[-1], points.false / points.false[-1]
    curve = points.along(0 * tpr[-1], tpr), points.along(0 * fpr[-1], fpr)
    return AUC(_ranking.area(xp, points), *curve)


def _measured(meter: AUCMeter) -> dict[str, Any]:
    return _ranking.shown(meter, "area", _ranking.area)
