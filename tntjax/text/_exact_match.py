"""The share of sequences that are right as a whole."""

from typing import Any

from tntjax.text._right import MeterOfIds


class ExactMatchMeter(MeterOfIds):
    """Measures the share of sequences all of whose tokens are right, in percent.

    Args:
      right: how many sequences were right.
      n: how many were counted; `int(meter.n)` is exact.

    Example:
      >>> ExactMatchMeter().add([[7, 8], [7, 9]], [[7, 8], [7, 8]])
      ExactMatchMeter(accuracy=50%, n=2)
    """

    @staticmethod
    def _select(right: Any, kept: Any) -> tuple[Any, Any]:
        return (right | ~kept).all(-1), kept.any(-1)  # [B]
