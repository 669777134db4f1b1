"""BLEU, from sums of the counts that it is made of."""

import dataclasses
from typing import Any, Self

import numpy as np

from tntjax._numbers import check_at_least
from tntjax._optional import import_optional
from tntjax._struct import flag, static
from tntjax.meter import Meter
from tntjax.meter.parts._count import Count
from tntjax.text._texts import References, Texts, as_texts

ORDERS = 4


class BLEUMeter(Meter):
    """Measures BLEU of translated text, on the host, as sacreBLEU does (extra `text`).

    Sums of counts are kept and the score is computed in the end: it's that of the
    corpus, however it was divided, and meters merge. Give it text as people read it:
    sacreBLEU tokenizes. Scores compare only if their signatures are equal.

    Args:
      tokenize: sacreBLEU's name of how text is tokenized, "13a", "intl", "zh" and so
        on. For tokenized BLEU, as older papers have it, "none".
      lowercase: whether case is ignored.
      num_references: how many references each text has.
      test: what the test set is, such as `WMT14(...).name`; the signature shows it.
      matches: [4] counts of n-grams that the references have.
      totals: [4] counts of all n-grams.
      lengths: [2] counts of words, of the texts and of the closest references.
      n: how many texts were added.

    Raises:
      ImportError: if sacreBLEU is not there.
      ValueError: if `tokenize` is unknown or needs what is not there, or
        `num_references` is below 1.

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
        check_at_least("BLEUMeter: num_references", self.num_references, 1)
        known = _import().BLEU.TOKENIZERS
        if self.tokenize not in known:
            raise ValueError(
                f"BLEUMeter needs one of {sorted(known)} as tokenize, got"
                f" {self.tokenize!r}."
            )
        _ = self._make()

    def add(self, output: Texts, target: References, *, mask: Any = None) -> Self:
        """Counts texts in.

        Args:
          output: B translations.
          target: B references, or B lists of `num_references` each.
          mask: [B] bool; False leaves the text out.

        Returns:
          The new meter.

        Raises:
          TypeError: if something is not text.
          ValueError: if the numbers of texts differ.
        """
        texts, refs = as_texts(
            output, target, mask, self.num_references, "BLEUMeter.add"
        )
        if not texts:
            return self
        streams = list(zip(*refs, strict=True))  # the first of each, the second, ...
        found = self._make().corpus_score(texts, streams)
        lengths = np.array([found.sys_len, found.ref_len])
        return dataclasses.replace(
            self,
            matches=self.matches + Count.of(np.array(found.counts)),
            totals=self.totals + Count.of(np.array(found.totals)),
            lengths=self.lengths + Count.of(lengths),
            n=self.n + Count.of(len(texts)),
        )

    def value(self) -> float:
        """Returns the score, a float of 0 to 100; NaN if nothing was added."""
        if not int(self.n):
            return float("nan")
        counts = (self.matches, self.totals, self.lengths)
        matches, totals, lengths = (part.integers().tolist() for part in counts)
        score = _import().BLEU.compute_bleu(matches, totals, *lengths, "exp")
        return score.score

    @property
    def signature(self) -> str:
        """The description by sacreBLEU of how the score was computed."""
        metric = self._make()
        metric.num_refs = self.num_references
        text = str(metric.get_signature())
        named = f"|test:{self.test}|version" if self.test else "|version"
        return text.replace("|version", named)

    def summary(self) -> dict[str, Any]:
        """Returns the score and its signature."""
        return {"bleu": self.value(), "signature": self.signature}

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
