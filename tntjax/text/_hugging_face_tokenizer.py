"""Tokenizers in the files of Hugging Face."""

import dataclasses
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from tntjax._optional import import_optional
from tntjax.text._ids import check_text, read_ids
from tntjax.text._line_file import as_path


@dataclasses.dataclass(frozen=True)
class HuggingFaceTokenizer:
    """Text as ids of a `tokenizer.json`, as models there have it (extra `hf`).

    Args:
      file: the file; nothing is downloaded. Its content is read here, and is what
        pickles.
      specials: whether `encode` puts in the special tokens that the file says.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: if tokenizers is not there.
      ValueError: if it is another file.
    """

    file: Any
    specials: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.file, bytes):
            path = as_path(self.file, "HuggingFaceTokenizer needs a path")
            vars(self)["file"] = path.read_bytes()
        _ = self._tokenizer

    def __len__(self) -> int:
        """The number of ids, up to the greatest."""
        return self._size

    def encode(self, text: str) -> np.ndarray:
        """Makes ids of text, int32 [T].

        Args:
          text: any text.
        """
        text = check_text(text, "HuggingFaceTokenizer.encode")
        found = self._tokenizer.encode(text, add_special_tokens=self.specials)
        return np.array(found.ids, np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Makes text of ids, without special tokens.

        Args:
          ids: integers [T].
        """
        return self._tokenizer.decode(
            read_ids(ids, len(self), "HuggingFaceTokenizer.decode")
        )

    @cached_property
    def _size(self) -> int:
        return max(self._tokenizer.get_vocab().values(), default=-1) + 1

    @cached_property
    def _tokenizer(self) -> Any:
        module = import_optional("tokenizers", "HuggingFaceTokenizer", "hf")
        try:
            return module.Tokenizer.from_buffer(self.file)
        except Exception as error:  # the package has no narrower kind
            raise ValueError(f"This is not a tokenizer.json: {error}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file, "specials": self.specials}

    def __repr__(self) -> str:
        return f"HuggingFaceTokenizer({len(self)} ids)"
