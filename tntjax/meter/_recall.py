from typing import Any

from tntjax._struct import static
from tntjax.meter.parts._hits import MeterOfHits


class RecallMeter(MeterOfHits):
    """Measures recall: the percentage of the actual classes that are predicted.

    Args:
      thresholds, num_classes, convention: those of `PrecisionMeter`.

    Example:
      >>> RecallMeter((0.5, 0.7)).add([[0.9, 0.6], [0.2, 0.8]], [[1, 1], [0, 1]])
      RecallMeter(at_0.5=100%, at_0.7=66.6667%, n=2)

    Torchnet: `meter/recallmeter.lua`, which differs as `meter/precisionmeter.lua` does
    from `PrecisionMeter`.
    """

    convention: str = static(default="standard", kw_only=True)

    def value(self) -> dict[float | str, Any]:
        """Returns `{threshold: percent}`, or `{"best": percent}` without thresholds.

        Each is a float, or [num_classes] float32 if that was given.
        """
        hits = self.aligned_hits()
        both, actual = hits.both.floats(), hits.actual.floats()
        return self.percentages(both, actual)
