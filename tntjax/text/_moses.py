"""Moses' tokenizer, as tokenized corpora and older scores have it."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from tntjax._optional import import_optional
from tntjax.text._ids import check_text


@dataclasses.dataclass(frozen=True)
class MosesTokenizer:
    """Splits text into words and marks as Moses' script does (needs sacremoses).

    Nothing is escaped: `&` stays `&`, in both directions.

    Args:
      language: "en", "de" and so on: which words are abbreviations.
      split_hyphens: write "well-known" as "well @-@ known", as scores of compounds in
        "Attention is all you need" have it.

    Raises:
      ImportError: if sacremoses is not there.

    Example:
      >>> moses = MosesTokenizer("en")
      >>> moses.tokenize("It's so: R&D.")
      ['It', "'s", 'so', ':', 'R', '&', 'D.']
      >>> moses.detokenize(["It", "'s", "so", "."])
      "It's so."
    """

    language: str = "en"
    split_hyphens: bool = False

    def __post_init__(self) -> None:
        _ = self._both

    def tokenize(self, text: str) -> list[str]:
        """Splits text into tokens.

        Args:
          text: a sentence.
        """
        return self._both[0].tokenize(
            check_text(text, "MosesTokenizer"),
            aggressive_dash_splits=self.split_hyphens,
            escape=False,
        )

    def detokenize(self, tokens: Sequence[str]) -> str:
        """Joins tokens to text as people write it.

        Args:
          tokens: what `tokenize` returned, or a model in its form.
        """
        if isinstance(tokens, str):
            raise TypeError(f"MosesTokenizer needs a list of tokens, got {tokens!r}.")
        return self._both[1].detokenize(list(tokens), unescape=False)

    @cached_property
    def _both(self) -> tuple[Any, Any]:
        moses: Any = import_optional("sacremoses", "MosesTokenizer", "text")
        return tuple(
            make(lang=self.language)
            for make in (moses.MosesTokenizer, moses.MosesDetokenizer)
        )

    def __getstate__(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
