"""Text: what is done with ids on the device."""

from tntjax.text._attention_mask import causal_mask, length_mask, segment_mask
from tntjax.text._beam_search import Beams, beam_search
from tntjax.text._edit_distance import edit_distance
from tntjax.text._mask_tokens import MaskedTokens, mask_tokens
from tntjax.text._sample import sample
from tntjax.text._shift_right import shift_right
from tntjax.text._token_loss import token_loss, token_losses

__all__ = [
    "Beams",
    "MaskedTokens",
    "beam_search",
    "causal_mask",
    "edit_distance",
    "length_mask",
    "mask_tokens",
    "sample",
    "segment_mask",
    "shift_right",
    "token_loss",
    "token_losses",
]
