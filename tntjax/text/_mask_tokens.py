"""mask_tokens: hides tokens that a model is to find again."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._array import as_mask
from tntjax._check import require
from tntjax._key import check_key
from tntjax._numbers import check_at_least, check_number
from tntjax.text._ids import as_id, as_ids


class MaskedTokens(NamedTuple):
    """Tokens of which some are hidden, and where True: those to be found, [..., T]."""

    input: jax.Array
    mask: jax.Array


def mask_tokens(
    key: jax.Array,
    ids: ArrayLike,
    hidden: int,
    vocabulary: int,
    *,
    rate: float = 0.15,
    mask: ArrayLike | None = None,
) -> MaskedTokens:
    """Chooses tokens at random and hides most of them.

    Of those 80 % become `hidden`, 10 % any token, 10 % stay. Each row draws from a key
    of its own.

    Args:
      key: one key, which is consumed.
      ids: [..., T] integers.
      hidden: the id that stands for a hidden token.
      vocabulary: how many ids there are to draw from.
      rate: the probability that a token is chosen.
      mask: [..., T] or leading axes of it, bool, False for what is never chosen, such
        as padding and special tokens.

    Returns:
      The ids, of the dtype of `ids`, and which were chosen.

    Raises:
      TypeError: if the ids are not integers, or the mask not bool.
      ValueError: if `rate` is not in [0, 1], the mask does not fit, or the ids' dtype
        does not hold `hidden` or all of the vocabulary.

    Example:
      >>> ids = jnp.arange(10, 20)
      >>> masked = mask_tokens(jax.random.key(0), ids, hidden=1, vocabulary=100)
      >>> bool((masked.input == ids)[~masked.mask].all())
      True

    Devlin et al., "BERT", 2019.
    """
    check_key(key, "mask_tokens: key")
    tokens = as_ids(ids, "mask_tokens needs integers as ids")
    most = check_at_least("mask_tokens: vocabulary", vocabulary, 1)
    as_id(most - 1, tokens.dtype, "mask_tokens: vocabulary - 1")
    as_id(most, jnp.int32, "mask_tokens: vocabulary")  # in which they are drawn
    stands_in = as_id(hidden, tokens.dtype, "mask_tokens: hidden")
    share = check_number("mask_tokens: rate", rate)
    require(0 <= share <= 1, "mask_tokens needs rate in [0, 1]", share)
    shape = tokens.shape

    def draw(own: jax.Array) -> tuple[jax.Array, ...]:
        row, keys = shape[-1:], jax.random.split(own, 3)
        kinds = (jax.random.uniform(one, row, jnp.float32) for one in keys[:2])
        return *kinds, jax.random.randint(keys[2], row, 0, most, jnp.int32)

    drawn = jax.vmap(draw)(jax.random.split(key, math.prod(shape[:-1])))
    chance, kind, other = (array.reshape(shape) for array in drawn)
    chosen = chance < share
    if mask is not None:
        chosen = chosen & as_mask(mask, shape, "mask_tokens: mask")
    changed = jnp.where(kind < 0.9, other.astype(tokens.dtype), tokens)
    changed = jnp.where(kind < 0.8, stands_in, changed)
    return MaskedTokens(jnp.where(chosen, changed, tokens), chosen)
