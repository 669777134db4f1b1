"""The share of tokens that are right."""

from typing import Any

from tntjax.text._right import MeterOfIds


class TokenAccuracyMeter(MeterOfIds):
    """Measures the share of tokens that are predicted right, in percent.

    Args:
      right: how many were right.
      n: how many were counted; `int(meter.n)` is exact.

    Example:
      >>> TokenAccuracyMeter().add([[7, 8, 0]], [[7, 9, 0]], mask=[[True, True, False]])
      TokenAccuracyMeter(accuracy=50%, n=2)
    """

    @staticmethod
    def _select(right: Any, kept: Any) -> tuple[Any, Any]:
        return right, kept
