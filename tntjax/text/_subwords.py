"""Subwords of models in files of other packages: SentencePiece, Hugging Face."""

import dataclasses
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tntjax._check import require
from tntjax._files import as_place
from tntjax._numbers import check_at_least, check_boolean
from tntjax._optional import import_optional
from tntjax.text._ids import as_bytes, check_text, is_ordered, read_ids


@dataclasses.dataclass(frozen=True)
class SentencePiece:
    """Text as ids of subwords of a model of SentencePiece (extra `text`).

    Args:
      model: the file that `train_sentence_piece` wrote. Its content is read here, and
        is what pickles.

    Raises:
      FileNotFoundError, ValueError: if there is no such file, or it is another.
      ImportError: if sentencepiece is not there.
    """

    model: Any
    _processor: Any = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        module = import_optional("sentencepiece", "SentencePiece", "text")
        processor = module.SentencePieceProcessor()
        content = _read_content(self.model, "SentencePiece")
        try:
            processor.LoadFromSerializedProto(content)
        except RuntimeError as error:
            raise ValueError(f"This is not a model of SentencePiece: {error}") from None
        vars(self).update(model=content, _processor=processor)

    def __len__(self) -> int:
        """The number of ids."""
        return self._processor.get_piece_size()

    def encode(self, text: str) -> np.ndarray:
        """Makes ids of text, int32 [T], without those of its begin and end."""
        data = as_bytes(text, "SentencePiece.encode")
        return np.array(self._processor.encode(data), np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Makes text of ids [T]; padding, begin and end are nothing."""
        return self._processor.decode(read_ids(ids, len(self), "SentencePiece.decode"))

    def __getitem__(self, piece: str) -> int:
        """Returns the id of a piece, such as "</s>"; that of the unknown for others."""
        return self._processor.piece_to_id(check_text(piece, "SentencePiece"))

    def __reduce__(self) -> tuple:
        return SentencePiece, (self.model,)

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
      **options: whatever SentencePiece's trainer takes, such as `model_type="bpe"`.

    Returns:
      The model.

    Raises:
      ImportError: if sentencepiece is not there.
      TypeError, ValueError: if `texts` is a single text or too little, or an option is
        wrong.
    """
    needs = "train_sentence_piece needs sentences, not one text"
    require(is_ordered(texts), needs, texts, error=TypeError)
    check_at_least("train_sentence_piece: size", size, 1)
    path = Path(as_place(model, "train_sentence_piece: model"))
    module = import_optional("sentencepiece", "train_sentence_piece", "text")
    ids = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
    content = io.BytesIO()
    try:
        module.SentencePieceTrainer.train(
            sentence_iterator=(check_text(t, "train_sentence_piece") for t in texts),
            model_writer=content,
            vocab_size=size,
            **{**ids, "minloglevel": 2, **options},
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"train_sentence_piece, size {size}: {error}") from error
    path.write_bytes(content.getvalue())
    return SentencePiece(path)


@dataclasses.dataclass(frozen=True)
class HuggingFaceTokenizer:
    """Text as ids of a `tokenizer.json`, as models there have it (extra `hf`).

    Ids are neither cut nor padded, whatever lengths the file says.

    Args:
      file: the file; nothing is downloaded. Its content is read here, and is what
        pickles.
      specials: whether `encode` puts in the special tokens that the file says.

    Raises:
      FileNotFoundError, ValueError: if there is no such file, or it is another.
      TypeError: if `specials` is not True or False.
      ImportError: if tokenizers is not there.
    """

    file: Any
    specials: bool = False
    _tokenizer: Any = dataclasses.field(init=False, repr=False, compare=False)
    _size: int = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        module = import_optional("tokenizers", "HuggingFaceTokenizer", "hf")
        check_boolean("HuggingFaceTokenizer: specials", self.specials)
        content = _read_content(self.file, "HuggingFaceTokenizer")
        try:
            tokenizer = module.Tokenizer.from_buffer(content)
        except Exception as error:  # the package has no narrower kind
            raise ValueError(f"This is not a tokenizer.json: {error}") from None
        tokenizer.no_truncation()  # or ends of texts would be lost
        tokenizer.no_padding()
        size = max(tokenizer.get_vocab().values(), default=-1) + 1
        vars(self).update(file=content, _tokenizer=tokenizer, _size=size)

    def __len__(self) -> int:
        """The number of ids, up to the greatest."""
        return self._size

    def encode(self, text: str) -> np.ndarray:
        """Makes ids of text, int32 [T]."""
        text = check_text(text, "HuggingFaceTokenizer.encode")
        found = self._tokenizer.encode(text, add_special_tokens=self.specials)
        return np.array(found.ids, np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """Makes text of ids [T], without special tokens."""
        numbers = read_ids(ids, len(self), "HuggingFaceTokenizer.decode")
        return self._tokenizer.decode(numbers)

    def __reduce__(self) -> tuple:
        return HuggingFaceTokenizer, (self.file, self.specials)

    def __repr__(self) -> str:
        return f"HuggingFaceTokenizer({len(self)} ids)"


def _read_content(file: Any, name: str) -> bytes:
    if isinstance(file, bytes):
        return file
    return Path(as_place(file, f"{name}: a path")).read_bytes()
