"""The character error rate."""

from collections.abc import Callable, Sequence

from tntjax._check import check_optional_functions
from tntjax._struct import static
from tntjax.speech._errors import MeterOfErrors, apply_normalizer


class CERMeter(MeterOfErrors):
    """Measures the character error rate: edits of characters, blanks included.

    A character is a code point, so texts of other normal forms differ:
    `normalize=lambda text: unicodedata.normalize("NFC", text)` makes them one.

    Args:
      normalize: `text -> text`, applied to outputs and targets; None leaves them.

    Example:
      >>> CERMeter().add("kitten", "sitting")
      CERMeter(rate=42.8571%, signature=CER|characters|normalize:none, n=1)
    """

    unit = "characters"
    normalize: Callable[[str], str] | None = static(default=None)

    def __post_init__(self) -> None:
        check_optional_functions("CERMeter", normalize=self.normalize)

    def _split(self, text: str) -> Sequence[str]:
        return apply_normalizer(self.normalize, text)
