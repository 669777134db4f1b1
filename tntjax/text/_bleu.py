"""BLEU, from sums of the counts that it is made of."""

from typing import Any

from tntjax._check import check_choice
from tntjax._optional import import_optional
from tntjax._struct import flag, static
from tntjax.meter.parts._count import Count
from tntjax.text._texts import MeterOfTexts

ORDERS = 4


class BLEUMeter(MeterOfTexts):
    """Measures BLEU of translated text, on the host, as sacreBLEU does (extra `text`).

    The score is that of the corpus, however it was divided. Give it text as people read
    it: sacreBLEU tokenizes. Scores compare only if their signatures are equal.

    Args:
      tokenize: sacreBLEU's name of how text is tokenized, "13a", "intl", "zh" and so
        on; "none" for tokenized BLEU, as older papers have it.
      lowercase: whether case is ignored.
      num_references: how many references each text has.
      test: what the test set is, such as `WMT14(...).name`; the signature shows it.
      matches, totals: [4] counts of n-grams that the references have, and of all.
      lengths: [2] counts of words, of the texts and of the closest references.
      n: how many texts were added.

    Raises:
      ImportError: if sacreBLEU is not there.
      ValueError: if `tokenize` is unknown or lacks something, or a number is too small.

    Example:
      >>> meter = BLEUMeter(test="mine").add(["It is so ."], ["It is so."])
      >>> round(meter.value(), 4), meter.signature.split("|version")[0]
      (100.0, 'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|test:mine')

    Source: Papineni et al., "BLEU: a method for automatic evaluation of machine
    translation", 2002; Post, "A call for clarity in reporting BLEU scores", 2018.
    """

    tokenize: str = static(default="13a")
    lowercase: bool = flag(default=False)
    num_references: int = static(default=1)
    test: str | None = static(default=None)
    matches: Count = Count.zeros((ORDERS,))
    totals: Count = Count.zeros((ORDERS,))
    lengths: Count = Count.zeros((2,))
    n: Count = Count()

    def __post_init__(self) -> None:
        super().__post_init__()
        known = sorted(_import().BLEU.TOKENIZERS)
        check_choice("BLEUMeter", "tokenize", self.tokenize, known)
        _ = self._make()

    def _count(self, texts: list[str], references: list[list[str]]) -> dict[str, Any]:
        streams = list(zip(*references, strict=True))  # all firsts, all seconds, ...
        found = self._make().corpus_score(texts, streams)
        counts = {"matches": found.counts, "totals": found.totals}
        return {**counts, "lengths": [found.sys_len, found.ref_len]}

    def _score(self) -> float:
        counts = (self.matches, self.totals, self.lengths)
        matches, totals, lengths = (part.integers().tolist() for part in counts)
        return _import().BLEU.compute_bleu(matches, totals, *lengths, "exp").score

    @property
    def signature(self) -> str:
        """The description by sacreBLEU of how the score was computed."""
        metric = self._make()
        metric.num_refs = self.num_references
        named = f"|test:{self.test}|version" if self.test else "|version"
        return str(metric.get_signature()).replace("|version", named)

    def _make(self) -> Any:
        # "force" is not to be warned of a text that was tokenized before.
        kinds = {"tokenize": self.tokenize, "lowercase": self.lowercase}
        try:
            return _import().BLEU(**kinds, force=True)
        except (RuntimeError, OSError) as error:  # a package or a model is missing
            raise ValueError(
                f"sacreBLEU can't tokenize by {self.tokenize!r} here: {error}"
            ) from error


def _import() -> Any:
    return import_optional("sacrebleu.metrics", "BLEUMeter", "text")
