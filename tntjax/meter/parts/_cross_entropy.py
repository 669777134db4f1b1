"""The loss of one class of each example, of its logits."""

import jax
import jax.numpy as jnp


def cross_entropy(
    logits: jax.Array, target: jax.Array, smoothing: float = 0.0
) -> jax.Array:
    """Returns `-log_softmax(logits)` [...] at class numbers [...], of logits [..., K].

    The log softmax itself, which may be the largest array there is, is not kept. Each
    class gets an equal part of the share `smoothing`.
    """
    most = jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    most = jnp.where(jnp.isfinite(most), most, 0)
    chosen = jnp.take_along_axis(logits, target[..., None], -1) - most  # [..., 1]
    logits = logits - most
    if smoothing:
        mean = logits.mean(-1, keepdims=True)
        chosen = (1 - smoothing) * chosen + smoothing * mean
    return (jnp.log(jnp.exp(logits).sum(-1, keepdims=True)) - chosen)[..., 0]
