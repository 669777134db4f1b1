"""SentencePiece: subwords that are learned from text."""

import dataclasses
import io
import os
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from tntjax._numbers import check_at_least
from tntjax._optional import import_optional
from tntjax._struct import describe
from tntjax.text._ids import check_text, read_ids
from tntjax.text._line_file import as_path


@dataclasses.dataclass(frozen=True)
class SentencePiece:
    """Text as ids of subwords of a model of SentencePiece (extra `text`).

    Args:
      model: the file that `train_sentence_piece` wrote. Its content is read here, and
        is what pickles.

    Raises:
      FileNotFoundError: if there is none.
      ImportError: if sentencepiece is not there.
      ValueError: if it is another file.
    """

    model: Any

    def __post_init__(self) -> None:
        if not isinstance(self.model, bytes):
            path = as_path(self.model, "SentencePiece needs a path")
            vars(self)["model"] = path.read_bytes()
        try:
            _ = self._processor
        except RuntimeError as error:
            raise ValueError(f"This is not a model of SentencePiece: {error}") from None

    def __len__(self) -> int:
        """The number of ids."""
        return self._processor.get_piece_size()

    def encode(self, text: str) -> np.ndarray:
        """Makes ids of text, int32 [T], without those of its begin and end.

        Args:
          text: any text.
        """
        data = check_text(text, "SentencePiece.encode").encode()
        return np.array(self._processor.encode(data), np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Makes text of ids; padding, begin and end are nothing.

        Args:
          ids: integers [T].
        """
        return self._processor.decode(read_ids(ids, len(self), "SentencePiece.decode"))

    def __getitem__(self, piece: str) -> int:
        """Returns the id of a piece, such as "</s>"; that of the unknown for others."""
        return self._processor.piece_to_id(check_text(piece, "SentencePiece"))

    @cached_property
    def _processor(self) -> Any:
        module = import_optional("sentencepiece", "SentencePiece", "text")
        processor = module.SentencePieceProcessor()
        processor.LoadFromSerializedProto(self.model)
        return processor

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model}

    def __repr__(self) -> str:
        return f"SentencePiece({len(self)} ids)"


def train_sentence_piece(
    texts: Iterable[str], model: str | os.PathLike, size: int, **options: Any
) -> SentencePiece:
    """Learns subwords from text and writes their model (extra `text`).

    Ids 0 to 3 are `<pad>`, `<unk>`, `<s>` and `</s>`, as in `Vocab`.

    Args:
      texts: sentences, each once.
      model: the file to write, `x.model`; what is there is replaced.
      size: how many ids there are.
      **options: whatever SentencePiece's trainer takes, such as `model_type="bpe"` or
        `character_coverage=0.9995`.

    Returns:
      The model.

    Raises:
      ImportError: if sentencepiece is not there.
      TypeError: if `texts` is a single text.
      ValueError: if the text is too little, or an option wrong; it says why.
    """
    if isinstance(texts, str | bytes):
        needs = "train_sentence_piece needs sentences, not one text; got"
        raise TypeError(f"{needs} {describe(texts)}.")
    check_at_least("train_sentence_piece: size", size, 1)
    path = as_path(model, "train_sentence_piece needs a path")
    module = import_optional("sentencepiece", "train_sentence_piece", "text")
    ids = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
    settings = {**ids, "minloglevel": 2, **options}
    content = io.BytesIO()
    try:
        module.SentencePieceTrainer.train(
            sentence_iterator=(check_text(t, "train_sentence_piece") for t in texts),
            model_writer=content,
            vocab_size=size,
            **settings,
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"train_sentence_piece, size {size}: {error}") from error
    path.write_bytes(content.getvalue())
    return SentencePiece(path)
