"""The phone error rate."""

from typing import Any

from tntjax._struct import static
from tntjax.speech._errors import MeterOfErrors
from tntjax.speech._phones import check_fold, fold_phones
from tntjax.text._ids import is_ordered


class PERMeter(MeterOfErrors):
    """Measures the phone error rate of TIMIT, of phones that are folded first.

    Outputs and targets are lists of lists of phones, or strings with blanks between.

    Args:
      fold: 39, as is usual, 48 or 61.

    Example:
      >>> PERMeter().add(["sil ix q t sil"], ["h# ih tcl t h#"])
      PERMeter(rate=20%, signature=PER|phones|fold:39, n=1)
    """

    unit = "phones"
    fold: int = static(default=39)

    def __post_init__(self) -> None:
        check_fold("PERMeter: fold", self.fold)

    def _join(self, text: Any) -> Any:
        return " ".join(map(str, text)) if is_ordered(text) else text

    def _split(self, text: str) -> list[str]:
        return fold_phones(text.split(), self.fold)
