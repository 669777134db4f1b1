"""Text: corpora, tokens, ragged batches, and what is done with ids on the device."""

from tntjax.text._beam_search import Beams, beam_search
from tntjax.text._bleu import BLEUMeter
from tntjax.text._bpe import BPE
from tntjax.text._chr_f import ChrFMeter
from tntjax.text._decoder import (
    causal_mask,
    length_mask,
    segment_mask,
    shift_right,
)
from tntjax.text._edit_distance import edit_distance
from tntjax.text._exact_match import ExactMatchMeter
from tntjax.text._line import LineDataset
from tntjax.text._mask_tokens import MaskedTokens, mask_tokens
from tntjax.text._moses import MosesTokenizer
from tntjax.text._one_billion_word import OneBillionWord
from tntjax.text._parallel_text import ParallelText
from tntjax.text._perplexity import PerplexityMeter
from tntjax.text._sample import sample
from tntjax.text._sgm import Segment, read_sgm
from tntjax.text._subwords import (
    HuggingFaceTokenizer,
    SentencePiece,
    train_sentence_piece,
)
from tntjax.text._token_accuracy import TokenAccuracyMeter
from tntjax.text._token_loss import token_loss, token_losses
from tntjax.text._tokenize import (
    join_bytes,
    tokenize_bytes,
    tokenize_characters,
    tokenize_words,
)
from tntjax.text._vocab import Vocab
from tntjax.text._wmt14 import WMT14

__all__ = [
    "BLEUMeter",
    "BPE",
    "Beams",
    "ChrFMeter",
    "ExactMatchMeter",
    "HuggingFaceTokenizer",
    "LineDataset",
    "MaskedTokens",
    "MosesTokenizer",
    "OneBillionWord",
    "ParallelText",
    "PerplexityMeter",
    "Segment",
    "SentencePiece",
    "TokenAccuracyMeter",
    "Vocab",
    "WMT14",
    "beam_search",
    "causal_mask",
    "edit_distance",
    "join_bytes",
    "length_mask",
    "mask_tokens",
    "read_sgm",
    "sample",
    "segment_mask",
    "shift_right",
    "token_loss",
    "token_losses",
    "tokenize_bytes",
    "tokenize_characters",
    "tokenize_words",
    "train_sentence_piece",
]
