"""The percentage of the actual classes that are predicted."""

from typing import Any

from tntjax._struct import static
from tntjax.meter.parts._arguments import check_convention
from tntjax.meter.parts._hits import MeterOfHits


class RecallMeter(MeterOfHits):
    """Measures recall: the percentage of the actual classes that are predicted.

    Args:
      thresholds: those of `PrecisionMeter`, as are `num_classes` and what is predicted.
      num_classes: measure each of so many classes alone; None puts all together.
      convention: what a ratio of nothing is. "standard": 0, and NaN before anything
        was counted. "torchnet": 100 in either case.
      hits: what was counted.

    Raises:
      TypeError: if `thresholds` isn't a sequence of numbers, or `num_classes` is not
        an integer.
      ValueError: if there is no threshold, `num_classes` is below 1, or
        `convention` is another.

    Example:
      >>> RecallMeter((0.5, 0.7)).add([[0.9, 0.6], [0.2, 0.8]], [[1, 1], [0, 1]])
      RecallMeter(at_0.5=100%, at_0.7=66.6667%, n=2)
      >>> RecallMeter(None, num_classes=2).add([[0.9, 0.6], [0.3, 0.2]], [0, 1])
      RecallMeter(best=50%, n=2)

    Torchnet: `meter/recallmeter.lua`, which differs as `meter/precisionmeter.lua` does
    from `PrecisionMeter`.
    """

    convention: str = static(default="standard", kw_only=True)

    def __post_init__(self) -> None:
        check_convention(self)
        super().__post_init__()

    def value(self) -> dict[float | str, Any]:
        """Returns the recall, in percent.

        Returns:
          `{threshold: percent}`, or `{"best": percent}` without thresholds, each a
          float, or [num_classes] float32 if that was given.

        Example:
          >>> RecallMeter((0.2, 0.6)).add([0.9, 0.3], [1, 0]).value()[0.6]
          100.0
        """
        hits = self.aligned_hits()
        both, actual = hits.both.floats(), hits.actual.floats()
        return self.percentages(both, actual, self.convention)
