"""Connectionist temporal classification: the loss, and greedy decoding."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from tntjax._struct import describe
from tntjax.speech._lengths import Padded, as_features, as_lengths, cut
from tntjax.text import length_mask


def ctc_valid(
    lengths: ArrayLike, labels: ArrayLike, label_lengths: ArrayLike
) -> jax.Array:
    """True where labels fit into the frames, with a blank between equal neighbours.

    Args:
      lengths: [...] integers, frames.
      labels: [..., L] integers.
      label_lengths: [...] integers, how many labels are real.

    Returns:
      [...] bool.

    Example:
      >>> ctc_valid([2, 2], [[1, 2], [1, 1]], [2, 2]).tolist()
      [True, False]
    """
    labels, label_lengths = jnp.asarray(labels), jnp.asarray(label_lengths)
    again = (labels[..., 1:] == labels[..., :-1]) & length_mask(
        label_lengths - 1, max(0, labels.shape[-1] - 1)
    )
    return jnp.asarray(lengths) >= label_lengths + again.sum(-1)


def ctc_loss(
    logits: ArrayLike,
    lengths: ArrayLike | None,
    labels: ArrayLike,
    label_lengths: ArrayLike | None = None,
    *,
    blank: int = 0,
    impossible: float = jnp.inf,
) -> jax.Array:
    """Computes -log of the probability of labels, over all their alignments.

    Args:
      logits: [..., T, K] floating.
      lengths: [...] how many frames are real, None for all.
      labels: [..., L] integers, class numbers without the blank.
      label_lengths: [...] how many labels are real, None for all.
      blank: the class of the blank.
      impossible: what stands where the labels do not fit (`ctc_valid`), where optax
        gives some large number. The gradient is 0 there; with 0 the loss is, too.

    Returns:
      [...] float32, in nats and never below 0, as optax's may be by rounding.

    Raises:
      TypeError: if lengths are not integers.
      ValueError: if shapes do not fit.

    Example:
      >>> import numpy as np
      >>> loss = ctc_loss(np.zeros((2, 1, 2)), None, [[1], [1]], [1, 0])
      >>> np.exp(-loss).tolist()
      [0.5, 0.5]

    Graves et al. (2006), as `optax.ctc_loss`.
    """
    logits, lengths = as_features(logits, lengths, "ctc_loss")
    labels = jnp.asarray(labels)
    if labels.ndim != logits.ndim - 1 or labels.shape[:-1] != lengths.shape:
        raise ValueError(
            f"ctc_loss needs labels [..., L] for each of logits {describe(logits)}, got"
            f" {describe(labels)}."
        )
    label_lengths = as_lengths(label_lengths, labels.shape, "ctc_loss")
    if not labels.shape[-1]:  # optax needs room for one
        labels = jnp.zeros((*lengths.shape, 1), jnp.int32)
    (frames, classes), most = logits.shape[-2:], labels.shape[-1]
    # NaN behind an end would spread, although it has a weight of 0.
    real = cut(logits.astype(jnp.float32), lengths, 1)
    loss = optax.ctc_loss(
        real.reshape(-1, frames, classes),
        ~length_mask(lengths, frames).reshape(-1, frames),
        labels.reshape(-1, most),
        ~length_mask(label_lengths, most).reshape(-1, most),
        blank_id=blank,
    ).reshape(lengths.shape)
    valid = ctc_valid(lengths, labels, label_lengths)
    return jnp.where(valid, jnp.maximum(loss, 0), impossible).astype(jnp.float32)


def ctc_greedy(
    logits: ArrayLike, lengths: ArrayLike | None = None, *, blank: int = 0
) -> Padded:
    """Decodes the best class of each frame: repetitions become one, blanks go.

    Args:
      logits: [..., T, K] floating.
      lengths: [...] how many frames are real, None for all.
      blank: the class of the blank.

    Returns:
      [..., T] int32 labels, zeros behind them; [...] how many there are.

    Example:
      >>> import numpy as np
      >>> best = np.array([0, 2, 2, 0, 2, 1])
      >>> labels, count = ctc_greedy(np.eye(3)[best])
      >>> labels[:count].tolist()
      [2, 2, 1]
    """
    logits, lengths = as_features(logits, lengths, "ctc_greedy")
    best = jnp.argmax(logits, -1).astype(jnp.int32)  # [..., T]
    changed = jnp.concatenate(
        [jnp.ones_like(best[..., :1], bool), best[..., 1:] != best[..., :-1]], -1
    )
    kept = changed & (best != blank) & length_mask(lengths, best.shape[-1])
    order = jnp.argsort(~kept, axis=-1, stable=True)  # the kept ones first
    counts = kept.sum(-1, dtype=jnp.int32)
    return Padded(cut(jnp.take_along_axis(best, order, -1), counts), counts)
