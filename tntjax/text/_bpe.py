"""Byte-level byte pair encoding from published vocabularies, in plain Python."""

import base64
import dataclasses
import heapq
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from tntjax._files import as_place
from tntjax._numbers import check_integers
from tntjax._struct import describe
from tntjax.text._ids import as_bytes, read_ids

GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
"""How GPT-2, and Whisper, part text before merging."""

SPACES = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of Unicode: `re` counts four control characters more."""

KEPT = 64
"""The most characters of a part whose ids are kept."""


@dataclasses.dataclass(frozen=True)
class BPE:
    r"""Byte-level byte pair encoding: any text as ids, and back without loss.

    In each part of a text the pair of neighbours that is ranked first is merged again
    and again. What looks like a special token is text: put specials in by their ids.

    Args:
      ranks: `{bytes: id}`; lower ids are merged first.
      pattern: how to part text: a vocabulary's regular expression, with `\p{L}` or not.
      specials: `{name: id}`, which `ranks` do not have.

    Raises:
      ValueError: if a byte has no id of its own, two tokens have one, or `re` does not
        know the pattern.

    Example:
      >>> ranks = {bytes([byte]): byte for byte in range(256)}
      >>> bpe = BPE(ranks | {b"th": 256, b"the": 257}, specials={"<|end|>": 258})
      >>> bpe.encode("the").tolist(), bpe.decode([257, 32, 256, 258])
      ([257], 'the th<|end|>')

    Source: Sennrich et al., "Neural machine translation of rare words with subword
    units", 2016; Radford et al., "Language models are unsupervised multitask learners",
    2019.
    """

    ranks: Mapping[bytes, int]
    pattern: str = GPT2
    specials: Mapping[str, int] = dataclasses.field(default_factory=dict)
    _tokens: Any = dataclasses.field(init=False, repr=False, compare=False)
    _parts: Any = dataclasses.field(init=False, repr=False, compare=False)
    _merge: Any = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("ranks", "specials"):
            if not isinstance(value := getattr(self, name), Mapping):
                raise TypeError(f"BPE needs {name}, a dict, got {describe(value)}.")
        missing = sum(bytes([byte]) not in self.ranks for byte in range(256))
        if missing:
            raise ValueError(
                f"BPE needs an id for each of the 256 bytes, and has none for {missing}"
                " of them. Is the file whole?"
            )
        specials = (as_bytes(name, "BPE: specials: a token") for name in self.specials)
        tokens = [*self.ranks, *specials]
        ids = [*self.ranks.values(), *self.specials.values()]
        ids = check_integers(ids, "BPE needs integers as ids").tolist()
        for id, count in Counter(ids).items():
            if count > 1 or not 0 <= id < 2**31:
                needs = "BPE needs ids >= 0 that fit int32, each of one token"
                raise ValueError(f"{needs}, got {id}.")
        try:
            parts = re.compile(translate_pattern(self.pattern))
        except (re.error, TypeError) as error:
            raise ValueError(
                f"BPE can't part text by the pattern {describe(self.pattern)}: {error}."
            ) from None
        # The ids of common parts are kept, without `self`: nothing outlives it.
        ranks = self.ranks
        merge = lru_cache(1 << 16)(lambda part: _merge(part.encode(), ranks))
        table = dict(zip(ids, tokens, strict=True))
        vars(self).update(_tokens=table, _parts=parts, _merge=merge)

    @classmethod
    def from_tiktoken(
        cls,
        path: str | os.PathLike,
        *,
        pattern: str = GPT2,
        specials: Mapping[str, int] | None = None,
    ) -> Self:
        """Reads a `.tiktoken` file: a line for each token, in base64, and its id.

        Args:
          path: the file, such as `gpt2.tiktoken`, which openai-whisper ships.
          pattern: how its vocabulary parts text.
          specials: `{name: id}`; for GPT-2 `{"<|endoftext|>": 50256}`.

        Raises:
          ValueError: if the file is something else.
        """
        ranks = {}
        content = Path(as_place(path, "BPE.from_tiktoken: path")).read_bytes()
        for number, line in enumerate(content.splitlines(), start=1):
            if not line:
                continue
            try:
                token, rank = line.split()
                # A lone "=" keeps an id free, in Whisper's file: no text leads to it.
                token = b"" if token == b"=" else base64.b64decode(token, validate=True)
                if ranks.setdefault(token, int(rank)) != int(rank):
                    raise ValueError
            except ValueError:
                raise ValueError(
                    f"{path}, line {number}: expected a token in base64 and its id, got"
                    f" {line[:40]!r}. Is it a .tiktoken file?"
                ) from None
        return cls(ranks, pattern, dict(specials or {}))

    def __len__(self) -> int:
        """The number of ids."""
        return max(self._tokens) + 1

    def encode(self, text: str) -> np.ndarray:
        """Makes ids of text, int32 [T]; a ValueError if the pattern leaves some out."""
        merge, ids, end = self._merge, [], 0
        as_bytes(text, "BPE.encode")
        for match in self._parts.finditer(text):
            if match.start() > end:
                break
            end = match.end()
            part = match[0]
            # Of text without spaces each part is long and rare: gigabytes, if kept.
            short = len(part) <= KEPT
            ids += merge(part) if short else _merge(part.encode(), self.ranks)
        if end < len(text):
            raise ValueError(
                f"The pattern of this BPE has no part for {text[end : end + 20]!r}."
            )
        return np.array(ids, np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Makes text of ids [T], names of specials in it, U+FFFD for broken UTF-8."""
        numbers = read_ids(ids, len(self), "BPE.decode")
        for number in numbers:
            if number not in self._tokens:
                raise ValueError(f"BPE.decode has no token with the id {number}.")
        tokens = map(self._tokens.__getitem__, numbers)
        return b"".join(tokens).decode("utf-8", "replace")

    def __reduce__(self) -> tuple:
        return BPE, (self.ranks, self.pattern, self.specials)

    def __repr__(self) -> str:
        return f"BPE({len(self)} ids, {len(self.specials)} of them special)"


def _merge(part: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """Merges pairs, the first in rank first and of equals the leftmost.

    The pairs are in a heap, so that a part of a million bytes takes seconds, not years.
    """
    if part in ranks:
        return [ranks[part]]
    size = len(part)
    ends = list(range(1, size + 1))  # of the token that begins here; 0 if none does
    before = list(range(-1, size))  # where the token before begins
    heap = []

    def push(start: int) -> None:
        if start >= 0 and (middle := ends[start]) < size:
            end = ends[middle]
            if (rank := ranks.get(part[start:end])) is not None:
                heapq.heappush(heap, (rank, start, middle, end))

    for start in range(size):
        push(start)
    while heap:
        _, start, middle, end = heapq.heappop(heap)
        if ends[start] != middle or ends[middle] != end:
            continue  # one of the two was merged with another since
        ends[start], ends[middle] = end, 0
        if end < size:
            before[end] = start
        push(start)
        push(before[start])
    return [ranks[part[start:end]] for start, end in enumerate(ends) if end]


@cache
def translate_pattern(pattern: str) -> str:
    r"""Writes a pattern so that `re` knows it: without `\p{L}`, and Unicode's `\s`."""
    inside = False

    def write(match: re.Match) -> str:
        nonlocal inside
        text = match[0]
        if text in ("[", "]"):
            inside = text == "["
        if text == r"\S" and inside:
            raise ValueError("A pattern can't have \\S inside of brackets.")
        ranges = SPACES if text in (r"\s", r"\S") else match[1] and _ranges(match[1])
        if inside or not ranges:
            return ranges or text
        return f"[^{ranges}]" if text == r"\S" else f"[{ranges}]"

    return re.sub(r"\\p\{(\w+)\}|\\s|\\S|\\.|\[|\]", write, pattern)


@cache
def _ranges(category: str) -> str:
    """Lists the characters of a category of Unicode, such as L or Lu, as ranges."""
    codes = range(sys.maxunicode + 1)
    kinds = (unicodedata.category(chr(code)) for code in codes)
    there = np.flatnonzero([kind.startswith(category) for kind in kinds])
    if not len(there):
        raise ValueError(f"Unicode has no category {category}, such as L or Lu.")
    pieces = np.split(there, np.flatnonzero(np.diff(there) > 1) + 1)
    # Nothing in L, M or N has a meaning inside of brackets, and most of P is escaped.
    return "".join(f"\\U{piece[0]:08x}-\\U{piece[-1]:08x}" for piece in pieces)
