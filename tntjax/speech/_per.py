"""The phone error rate."""

from collections.abc import Hashable, Sequence
from typing import Any

from tntjax._struct import static
from tntjax.speech._errors import MeterOfErrors
from tntjax.speech._phones import fold_phones


class PERMeter(MeterOfErrors):
    """Measures the phone error rate of TIMIT, of phones that are folded first.

    Outputs and targets are lists of lists of phones, or strings with blanks between.

    Args:
      fold: 39, as is usual, 48 or 61.

    Example:
      >>> PERMeter().add(["sil ix q t sil"], ["h# ih tcl t h#"])
      PERMeter(rate=20%, signature=PER|phones|fold:39, n=1)
    """

    fold: int = static(default=39)

    def _terms(self) -> list[str]:
        return ["phones", f"fold:{self.fold}"]

    def _split(self, text: Any) -> Sequence[Hashable]:
        return fold_phones(text.split() if isinstance(text, str) else text, self.fold)
