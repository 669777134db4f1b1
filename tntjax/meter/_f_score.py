import math
from typing import Any

from tntjax._numbers import check_number
from tntjax._struct import static
from tntjax.meter.parts._hits import MeterOfHits


class FScoreMeter(MeterOfHits):
    """Measures the F score: the weighted harmonic mean of precision and recall.

    Args:
      thresholds, num_classes: those of `PrecisionMeter`.
      beta: how much more recall weighs than precision, finite and above 0, or a
        ValueError.

    Example:
      >>> FScoreMeter((0.5, 0.7)).add([[0.9, 0.6], [0.2, 0.8]], [[1, 0], [1, 1]])
      FScoreMeter(at_0.5=66.6667%, at_0.7=80%, n=2)

    Torchnet: not there. In percent, as precision and recall are.
    """

    beta: float = static(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        beta = check_number("FScoreMeter: beta", self.beta)
        if not 0 < beta < math.inf:
            raise ValueError(f"FScoreMeter needs 0 < beta < infinity, got {beta}.")
        vars(self).update(beta=beta)
        super().__post_init__()

    def value(self) -> dict[float | str, Any]:
        """Returns `{threshold: percent}`, or `{"best": percent}` without thresholds.

        Each is a float, or [num_classes] float32 if that was given: 0 of a class that
        neither was nor was predicted, NaN before anything was counted.
        """
        hits, scale = self.aligned_hits(), max(1.0, self.beta)
        # beta**2 and 1, both divided by what is larger, as beta**2 may overflow.
        recall, precision = (self.beta / scale) ** 2, (1 / scale) ** 2
        both = (recall + precision) * hits.both.floats()
        wanted = recall * hits.actual.floats() + precision * hits.predicted.floats()
        return self.percentages(both, wanted)
