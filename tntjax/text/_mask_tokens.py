"""mask_tokens: hides tokens that a model is to find again."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._array import as_mask
from tntjax._numbers import check_at_least, check_integers, check_number


class MaskedTokens(NamedTuple):
    """Tokens of which some are hidden.

    Args:
      input: [..., T] integers, what the model reads.
      mask: [..., T] bool, True where the token is to be found.
    """

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

    Of those that are chosen 80 % become `hidden`, 10 % any token, 10 % stay. Each row
    draws from a key of its own.

    Args:
      key: the key is consumed.
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
      ValueError: if `rate` is not in [0, 1], or the mask does not fit.

    Example:
      >>> ids = jnp.arange(10, 20)
      >>> masked = mask_tokens(jax.random.key(0), ids, hidden=1, vocabulary=100)
      >>> bool((masked.input == ids)[~masked.mask].all())
      True

    Devlin et al., "BERT", 2019.
    """
    tokens = jnp.asarray(check_integers(ids, "mask_tokens needs integers as ids"))
    check_at_least("mask_tokens: vocabulary", vocabulary, 1)
    share = check_number("mask_tokens: rate", rate)
    if not 0 <= share <= 1:
        raise ValueError(f"mask_tokens needs rate in [0, 1], got {share}.")
    shape = tokens.shape
    rows = tokens.reshape(-1, shape[-1]) if tokens.ndim else tokens.reshape(1, 1)

    def draw(own: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        chosen, kind, other = jax.random.split(own, 3)
        return (
            jax.random.uniform(chosen, rows.shape[1:]) < share,
            jax.random.uniform(kind, rows.shape[1:]),
            jax.random.randint(other, rows.shape[1:], 0, vocabulary, tokens.dtype),
        )

    drawn = jax.vmap(draw)(jax.random.split(key, len(rows)))
    chosen, kind, other = (array.reshape(shape) for array in drawn)
    if mask is not None:
        chosen = chosen & as_mask(mask, shape, "mask_tokens: mask")
    changed = jnp.where(kind < 0.9, other, tokens)
    changed = jnp.where(kind < 0.8, jnp.asarray(hidden, tokens.dtype), changed)
    return MaskedTokens(jnp.where(chosen, changed, tokens), chosen)
