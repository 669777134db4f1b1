"""Text as words, as characters and as bytes."""

import re
from collections.abc import Iterable

import numpy as np

from tntjax.text._ids import as_bytes, check_text, read_ids

WORD = re.compile(r"[^ \t\n\r\f\v]+")


def tokenize_words(text: str) -> list[str]:
    r"""Splits text at blanks of ASCII; a no-break space or U+2028 is part of a word.

    Args:
      text: any text, such as a line that was tokenized before.

    Returns:
      The words.

    Example:
      >>> tokenize_words(" to be ,  or 10\xa0km")
      ['to', 'be', ',', 'or', '10\xa0km']
    """
    return WORD.findall(check_text(text, "tokenize_words"))


def tokenize_characters(text: str) -> list[str]:
    """Splits text into its characters, blanks and line ends included.

    Args:
      text: any text.

    Returns:
      A list of code points, each a str.

    Example:
      >>> tokenize_characters("sí")
      ['s', 'í']
    """
    return list(check_text(text, "tokenize_characters"))


def tokenize_bytes(text: str) -> np.ndarray:
    """Returns the bytes of text in UTF-8, which need no vocabulary.

    Args:
      text: any text.

    Returns:
      int32 [T], each 0 to 255.

    Example:
      >>> tokenize_bytes("sí")
      array([115, 195, 173], dtype=int32)
    """
    return np.frombuffer(as_bytes(text, "tokenize_bytes"), np.uint8).astype(np.int32)


def join_bytes(ids: Iterable[int]) -> str:
    """Makes text of bytes, whatever they are.

    Args:
      ids: integers [T], each 0 to 255.

    Returns:
      The text; what is not UTF-8, as the end of a sample may be, becomes U+FFFD.

    Raises:
      TypeError: if `ids` are not integers.
      ValueError: if one is not a byte.

    Example:
      >>> join_bytes([115, 195, 173, 195])
      'sí�'
    """
    return bytes(read_ids(ids, 256, "join_bytes")).decode("utf-8", "replace")
