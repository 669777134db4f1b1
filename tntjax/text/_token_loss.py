"""token_loss and token_losses: cross entropy of tokens, with a mask and smoothing."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._array import as_mask
from tntjax._check import require
from tntjax._numbers import check_integers, check_number
from tntjax.meter.parts._cross_entropy import cross_entropy
from tntjax.meter.parts._labels import as_class_numbers
from tntjax.text._ids import as_logits


def token_losses(
    logits: ArrayLike,
    target: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    smoothing: float = 0.0,
) -> jax.Array:
    """Computes the loss of each token in nats, 0 where the mask is False.

    Args:
      logits: [..., T, V] float.
      target: [..., T] integers, 0 <= target < V, else the loss is NaN; anything where
        the mask is False.
      mask: [..., T] or leading axes of it, bool, True for tokens that count.
      smoothing: the share of the target's probability that all V tokens divide.

    Returns:
      [..., T] float32, float64 if the logits are. What is masked, NaN included, has no
      effect on it or on a gradient.

    Raises:
      TypeError: if the targets are not integers, or the mask not bool.
      ValueError: if shapes do not fit, or smoothing is not in [0, 1].

    Example:
      >>> losses = token_losses(jnp.zeros((1, 2, 4)), [[3, 0]], [[True, False]])
      >>> [round(float(loss), 4) for loss in losses[0]]
      [1.3863, 0.0]

    Label smoothing: Szegedy et al., "Rethinking the Inception Architecture", 2016.
    """
    scores = as_logits(logits, "token_losses")
    wanted = check_integers(target, "token_losses needs integers as target")
    needs = "token_losses needs logits [..., T, V] and target [..., T]"
    require(scores.ndim and wanted.shape == scores.shape[:-1], needs, scores, wanted)
    share = check_number("token_losses: smoothing", smoothing)
    require(0 <= share <= 1, "token_losses needs smoothing in [0, 1]", share)
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    wanted, there = jnp.asarray(as_class_numbers(wanted)), None
    if mask is not None:
        there = as_mask(mask, wanted.shape, "token_losses: mask")
        scores = jnp.where(there[..., None], scores, 0)  # no NaN in the gradient
        wanted = jnp.where(there, wanted, 0)
    wanted = jnp.where(wanted < 0, scores.shape[-1], wanted)  # -1 is not the last one
    losses = cross_entropy(scores, wanted, share)
    return losses if there is None else jnp.where(there, losses, 0)


def token_loss(
    logits: ArrayLike,
    target: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    smoothing: float = 0.0,
) -> jax.Array:
    """Computes the mean loss of the tokens that count: their sum by their number.

    Args:
      logits: [..., T, V] float.
      target: [..., T] integers below V.
      mask: [..., T] or leading axes of it, bool, True for tokens that count.
      smoothing: the share of the target's probability that all V tokens divide.

    Returns:
      [] float32, 0 if no token counts.

    Raises:
      TypeError, ValueError: as `token_losses`.

    Example:
      >>> round(float(token_loss(jnp.zeros((2, 3, 4)), jnp.zeros((2, 3), int))), 4)
      1.3863
    """
    losses = token_losses(logits, target, mask, smoothing=smoothing)
    count = losses.size
    if mask is not None:
        there = as_mask(mask, losses.shape, "token_loss: mask")
        count = jnp.broadcast_to(there, losses.shape).sum()
    return losses.sum() / jnp.maximum(count, 1)
