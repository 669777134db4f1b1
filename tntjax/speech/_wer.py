"""The word error rate."""

from collections.abc import Callable, Sequence

from tntjax._check import check_optional_functions
from tntjax._struct import static
from tntjax.speech._errors import MeterOfErrors, apply_normalizer
from tntjax.text import tokenize_words


class WERMeter(MeterOfErrors):
    """Measures the word error rate: edits of words by words of the targets, in percent.

    Words stand between blanks of ASCII. Edits are summed over all that was added, so
    that long utterances count more than short ones.

    Args:
      normalize: `text -> text`, applied to outputs and targets, such as `str.lower`;
        None leaves them as they are.

    Example:
      >>> WERMeter(normalize=str.lower).add(["the cat sat"], ["The cat sits there"])
      WERMeter(rate=50%, signature=WER|words|normalize:str.lower, n=1)
    """

    unit = "words"
    normalize: Callable[[str], str] | None = static(default=None)

    def __post_init__(self) -> None:
        check_optional_functions("WERMeter", normalize=self.normalize)

    def _split(self, text: str) -> Sequence[str]:
        return tokenize_words(apply_normalizer(self.normalize, text))
