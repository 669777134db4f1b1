"""The character error rate."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from tntjax._struct import static
from tntjax.speech._errors import MeterOfErrors, describe_normalizer


class CERMeter(MeterOfErrors):
    """Measures the character error rate: edits of characters, blanks included.

    Args:
      normalize: `text -> text`, applied to outputs and targets; None leaves them.

    Example:
      >>> CERMeter().add("kitten", "sitting")
      CERMeter(rate=42.8571%, signature=CER|characters|normalize:none, n=1)
    """

    normalize: Callable[[str], str] | None = static(default=None)

    def _terms(self) -> list[str]:
        return ["characters", describe_normalizer(self.normalize)]

    def _split(self, text: Any) -> Sequence[Hashable]:
        return text if self.normalize is None else self.normalize(text)
