from typing import Any

from tntjax._struct import static
from tntjax.meter.parts._hits import MeterOfHits


class PrecisionMeter(MeterOfHits):
    """Measures precision: the percentage of the predicted classes that are right.

    A class is predicted where its score is at or above the threshold. Without
    thresholds the one class that is scored best is predicted (of equals the first), for
    examples that have one class each. A score that is NaN predicts nothing.

    Args:
      thresholds: one or more numbers, in ascending order: from which scores on a class
        is predicted. They may be outside 0 to 1, as logits are. None predicts the best
        class.
      num_classes: measure each of so many classes, at least 1, alone; None puts the
        cells of all together (micro average). The macro average is the mean over
        classes.
      convention: what a ratio of nothing is. "standard": 0, and NaN before anything
        was counted. "torchnet": 100 in either case.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> PrecisionMeter((0.5, 0.7)).add([[0.9, 0.6], [0.2, 0.8]], [[1, 0], [0, 1]])
      PrecisionMeter(at_0.5=66.6667%, at_0.7=100%, n=2)

    Torchnet: `meter/precisionmeter.lua`, where `perclass=true` found the number of
    classes in the first batch, a precision of no prediction was 100, and
    scores of another type than the default were never compared. Thresholds had to be
    from 0 to 1, there was no best class, and targets were labels and not class numbers.
    """

    convention: str = static(default="standard", kw_only=True)

    def value(self) -> dict[float | str, Any]:
        """Returns `{threshold: percent}`, or `{"best": percent}` without thresholds.

        Each is a float, or [num_classes] float32 if that was given.
        """
        hits = self.aligned_hits()
        both, predicted = hits.both.floats(), hits.predicted.floats()
        return self.percentages(both, predicted)
