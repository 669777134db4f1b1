"""Moses' tokenizer, as tokenized corpora and older scores have it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tntjax._check import check_choice
from tntjax._numbers import check_boolean
from tntjax._optional import import_optional
from tntjax.text._ids import as_tokens, check_text


@dataclasses.dataclass(frozen=True)
class MosesTokenizer:
    """Splits text into words and marks as Moses' script does (needs sacremoses).

    Nothing is escaped: `&` stays `&`, in both directions.

    Args:
      language: "en", "de" and so on: which words are abbreviations. Moses takes "en"
        for languages that it does not know.
      split_hyphens: write "well-known" as "well @-@ known", as scores of compounds in
        "Attention is all you need" have it.

    Raises:
      ImportError: if sacremoses is not there.
      ValueError: if it does not know the language.

    Example:
      >>> moses = MosesTokenizer("en")
      >>> moses.tokenize("It's so: R&D.")
      ['It', "'s", 'so', ':', 'R', '&', 'D.']
      >>> moses.detokenize(["It", "'s", "so", "."])
      "It's so."
    """

    language: str = "en"
    split_hyphens: bool = False
    _splitter: Any = dataclasses.field(init=False, repr=False, compare=False)
    _joiner: Any = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        module = import_optional("sacremoses", "MosesTokenizer", "text")
        known = module.corpus.NonbreakingPrefixes().available_langs.values()
        known = sorted({*known, "ja", "ko"})
        check_choice("MosesTokenizer", "language", self.language, known)
        check_boolean("MosesTokenizer: split_hyphens", self.split_hyphens)
        vars(self)["_splitter"] = module.MosesTokenizer(lang=self.language)
        vars(self)["_joiner"] = module.MosesDetokenizer(lang=self.language)

    def tokenize(self, text: str) -> list[str]:
        """Splits a sentence into tokens."""
        return self._splitter.tokenize(
            check_text(text, "MosesTokenizer"),
            aggressive_dash_splits=self.split_hyphens,
            escape=False,
        )

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Joins tokens, as `tokenize` makes them, to text as people write it."""
        found = as_tokens(tokens, "MosesTokenizer")
        return self._joiner.detokenize(found, unescape=False)

    def __reduce__(self) -> tuple:
        return MosesTokenizer, (self.language, self.split_hyphens)
