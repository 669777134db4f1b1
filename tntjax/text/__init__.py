"""Text: corpora, vocabularies, and what is done with ids on the device."""

from tntjax.text._edit_distance import edit_distance
from tntjax.text._line import LineDataset
from tntjax.text._one_billion_word import OneBillionWord
from tntjax.text._parallel_text import ParallelText
from tntjax.text._sgm import Segment, read_sgm
from tntjax.text._tokenize import (
    join_bytes,
    tokenize_bytes,
    tokenize_characters,
    tokenize_words,
)
from tntjax.text._vocab import Vocab
from tntjax.text._wmt14 import WMT14

__all__ = [
    "LineDataset",
    "OneBillionWord",
    "ParallelText",
    "Segment",
    "Vocab",
    "WMT14",
    "edit_distance",
    "join_bytes",
    "read_sgm",
    "tokenize_bytes",
    "tokenize_characters",
    "tokenize_words",
]
