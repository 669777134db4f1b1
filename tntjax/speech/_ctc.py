"""Connectionist temporal classification: the loss, and greedy decoding."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least, check_integers
from tntjax._struct import describe
from tntjax.speech._lengths import Padded, as_features, as_integers, as_lengths, cut
from tntjax.text import length_mask

NEVER = -1e30
"""Stands for the logarithm of 0, and can be multiplied by 0."""


def ctc_valid(
    lengths: ArrayLike, labels: ArrayLike, label_lengths: ArrayLike | None = None
) -> jax.Array:
    """True where labels fit into the frames, with a blank between equal neighbours.

    Args:
      lengths: [...] integers, frames.
      labels: [..., L] integers.
      label_lengths: [...] how many labels are real, None for all.

    Returns:
      [...] bool.

    Raises:
      TypeError: if something is not an integer.
      ValueError: if shapes do not fit.

    Example:
      >>> ctc_valid([2, 2], [[1, 2], [1, 1]], [2, 2]).tolist()
      [True, False]
    """
    frames = as_integers(lengths, "ctc_valid: lengths")
    ids, sizes = _as_labels(labels, label_lengths, frames.shape, "ctc_valid")
    again = ids[..., 1:] == ids[..., :-1]
    again &= length_mask(sizes, ids.shape[-1])[..., 1:]
    return jnp.asarray(frames >= sizes + again.sum(-1))


def _as_labels(
    labels: Any, label_lengths: Any, batch: tuple[int, ...], name: str
) -> tuple[jax.Array, jax.Array]:
    labels = check_integers(labels, f"{name} needs integers as labels")
    if not labels.ndim or labels.shape[:-1] != batch:
        raise ValueError(
            f"{name} needs labels of shape {[*batch, 'L']}, got {describe(labels)}."
        )
    sizes = as_lengths(label_lengths, labels.shape, name, "label_lengths")
    return jnp.asarray(labels, jnp.int32), sizes


def as_logits(
    logits: Any, lengths: Any, blank: Any, name: str
) -> tuple[jax.Array, jax.Array]:
    """Checks logits [..., T, K], their lengths, and that the blank is one of K."""
    logits, lengths = as_features(logits, lengths, name)
    if check_at_least(f"{name}: blank", blank, 0) >= logits.shape[-1]:
        raise ValueError(
            f"{name} needs a blank below {logits.shape[-1]}, the number of classes of"
            f" logits {describe(logits)}, got {blank}."
        )
    return logits, lengths


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
      logits: [..., T, K] floating; -inf for a class that cannot be.
      lengths: [...] how many frames are real, None for all.
      labels: [..., L] integers, class numbers without the blank.
      label_lengths: [...] how many labels are real, None for all.
      blank: the class of the blank.
      impossible: what stands where the labels do not fit (`ctc_valid`), or one is the
        blank, is not a class or has no probability, where optax gives some number. The
        gradient is 0 there; with 0 the loss is, too.

    Returns:
      [...] float32, in nats and never below 0, as optax's may be by rounding.

    Raises:
      TypeError: if labels or lengths are not integers.
      ValueError: if shapes do not fit.

    Example:
      >>> import numpy as np
      >>> loss = ctc_loss(np.zeros((2, 1, 2)), None, [[1], [1]], [1, 0])
      >>> np.exp(-loss).tolist()
      [0.5, 0.5]

    Graves et al. (2006), as `optax.ctc_loss`.
    """
    logits, lengths = as_logits(logits, lengths, blank, "ctc_loss")
    labels, sizes = _as_labels(labels, label_lengths, lengths.shape, "ctc_loss")
    *batch, frames, classes = logits.shape
    most = labels.shape[-1]
    if not lengths.size or not frames:
        valid = ctc_valid(lengths, labels, sizes)
        return jnp.where(valid, jnp.float32(0), impossible).astype(jnp.float32)
    if not most:  # optax needs room for one
        labels, most = jnp.zeros((*batch, 1), jnp.int32), 1
    scores = jax.nn.log_softmax(logits.astype(jnp.float32))
    is_label = length_mask(sizes, most)
    loss = optax.ctc_loss(
        jnp.maximum(scores, NEVER).reshape(lengths.size, frames, classes),
        ~length_mask(lengths, frames).reshape(lengths.size, frames),
        labels.reshape(lengths.size, most),
        ~is_label.reshape(lengths.size, most),
        blank_id=blank,
        log_epsilon=NEVER,
    ).reshape(lengths.shape)
    named = (labels >= 0) & (labels < classes) & (labels != blank)
    valid = ctc_valid(lengths, labels, sizes) & (named | ~is_label).all(-1)
    valid &= ~(loss > -NEVER / 2)
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

    Raises:
      TypeError: if logits are not floating.
      ValueError: if shapes do not fit, or the blank is not a class.

    Example:
      >>> import numpy as np
      >>> best = np.array([0, 2, 2, 0, 2, 1])
      >>> labels, count = ctc_greedy(np.eye(3)[best])
      >>> labels[:count].tolist()
      [2, 2, 1]
    """
    logits, lengths = as_logits(logits, lengths, blank, "ctc_greedy")
    best = jnp.argmax(logits, -1).astype(jnp.int32)  # [..., T]
    before = jnp.pad(best, [(0, 0)] * (best.ndim - 1) + [(1, 0)], constant_values=-1)
    kept = (best != before[..., :-1]) & (best != blank)
    kept &= length_mask(lengths, best.shape[-1])
    order = jnp.argsort(~kept, axis=-1, stable=True)  # the kept ones first
    counts = kept.sum(-1, dtype=jnp.int32)
    return Padded(cut(jnp.take_along_axis(best, order, -1), counts), counts)
