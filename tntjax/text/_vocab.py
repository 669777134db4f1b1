"""Vocab: tokens and their numbers."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from tntjax._check import require
from tntjax._files import as_place
from tntjax._numbers import check_at_least, check_boolean
from tntjax._struct import describe
from tntjax.text._ids import as_tokens, check_text, is_ordered, read_ids

SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")


@dataclasses.dataclass(frozen=True)
class Vocab:
    """A list of tokens, each with its place as its number.

    Args:
      tokens: all different.
      unknown: the token that stands for those that are not there; None for an error.
      specials: how many tokens in front are no text, such as padding.

    Raises:
      TypeError, ValueError: if a token is not a str, or is there twice, or `unknown` is
        not, or there are fewer than `specials`.

    Example:
      >>> vocab = Vocab.build([["to", "be", "or", "not", "to", "be"], ["be"]], size=6)
      >>> vocab.tokens
      ('<pad>', '<unk>', '<s>', '</s>', 'be', 'to')
      >>> vocab.encode(["be", "quiet"])
      array([4, 1], dtype=int32)
      >>> vocab.decode([2, 4, 5, 3])
      ['be', 'to']
    """

    tokens: tuple[str, ...]
    unknown: str | None = "<unk>"
    specials: int = 0

    def __post_init__(self) -> None:
        vars(self)["tokens"] = tuple(as_tokens(self.tokens, "Vocab"))
        specials = check_at_least("Vocab: specials", self.specials, 0)
        if specials > len(self.tokens):
            raise ValueError(f"Vocab has {len(self)} tokens, not {specials} specials.")
        if len(self._numbers) < len(self.tokens):
            twice = [token for token, n in Counter(self.tokens).items() if n > 1]
            raise ValueError(f"Vocab needs each token once, got {twice[0]!r} twice.")
        if self.unknown not in (None, *self.tokens):
            needs = f"Vocab needs the unknown token {self.unknown!r} among its tokens"
            raise ValueError(f"{needs}. Add it to specials, or pass unknown=None.")

    @classmethod
    def build(
        cls,
        texts: Iterable[Iterable[str]],
        *,
        size: int | None = None,
        min_count: int = 1,
        specials: Sequence[str] = SPECIALS,
        unknown: str | None = "<unk>",
    ) -> Self:
        """Counts tokens and keeps the most frequent ones.

        Specials come first, then tokens by their counts, and of equal counts by their
        letters. `<unk>` and the like in the text are the specials.

        Args:
          texts: texts, each a list of tokens.
          size: how many tokens there are at most, specials counted.
          min_count: how often a token must be there.
          specials: tokens that are there whatever the text.
          unknown: the token for others, one of the specials; or None.

        Raises:
          TypeError: if a text is a str: it would be taken letter by letter.
          ValueError: if `size` is too small for the specials.
        """
        counts: Counter[str] = Counter()
        needs = "Vocab.build needs a list of texts"
        require(isinstance(texts, Iterable), needs, texts, error=TypeError)
        for text in texts:
            if not is_ordered(text) and not isinstance(text, Set):
                raise TypeError(
                    "Vocab.build needs texts that are lists of tokens, got"
                    f" {describe(text)}. Pass map(tokenize_words, texts), say."
                )
            counts.update(text)
        first = as_tokens(specials, "Vocab.build: specials")
        least, room = check_at_least("Vocab.build: min_count", min_count, 0), None
        if size is not None:
            room = check_at_least("Vocab.build: size", size, len(first)) - len(first)
        found = set(as_tokens([*counts], "Vocab.build")).difference(first)
        found = [token for token in found if counts[token] >= least]
        found.sort(key=lambda token: (-counts[token], token))
        return cls((*first, *found[:room]), unknown, len(first))

    @cached_property
    def _numbers(self) -> dict[Any, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._numbers

    def __getitem__(self, token: str) -> int:
        """Returns the number of a token, or of the unknown one."""
        if type(token) is not str:
            token = check_text(token, "Vocab")
        number = self._numbers.get(token)
        if number is None:
            number = self._numbers.get(self.unknown)
        if number is None:
            raise KeyError(f"Vocab has no token {token!r}, and no unknown token.")
        return number

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Looks up the numbers of T tokens, int32 [T]; a KeyError if one has none."""
        needs = "Vocab.encode needs a text that is tokenized, a list of tokens"
        require(is_ordered(tokens), needs, tokens, error=TypeError)
        return np.fromiter((self[token] for token in tokens), np.int32)

    def decode(self, ids: Iterable[int], *, keep_specials: bool = False) -> list[str]:
        """Looks up the tokens of numbers.

        Args:
          ids: integers [T] below `len`, of NumPy or JAX too.
          keep_specials: keep padding and the like; the unknown token is always kept.
        """
        keeps = check_boolean("Vocab.decode: keep_specials", keep_specials)
        first = 0 if keeps else self.specials
        numbers = read_ids(ids, len(self), "Vocab.decode")
        found = ((number, self.tokens[number]) for number in numbers)
        return [text for at, text in found if at >= first or text == self.unknown]

    def save(self, path: str | os.PathLike) -> None:
        """Writes a file of JSON, so that any token may be in it, a line end too."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=0)
        data = text.encode("utf-8", "surrogatepass")
        Path(as_place(path, "Vocab.save: path")).write_bytes(data)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads what `save` wrote; raises a ValueError for another file."""
        data = Path(as_place(path, "Vocab.load: path")).read_bytes()
        try:
            return cls(**json.loads(data.decode("utf-8", "surrogatepass")))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is not a vocabulary: {error}") from error

    def __repr__(self) -> str:
        return f"Vocab({len(self)} tokens: {describe(self.tokens)})"
