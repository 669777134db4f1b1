"""Connectionist temporal classification: the loss, and decoding."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_at_least, check_axis
from tntjax.speech._lengths import (
    Lengths,
    Padded,
    as_features,
    check_scalar,
    cut,
    map_rows,
)
from tntjax.text import length_mask
from tntjax.text._ids import as_int32, as_integers, as_lengths

NEVER = -1e30
"""Stands for the logarithm of 0, and can be multiplied by 0."""


def ctc_valid(
    lengths: ArrayLike, labels: ArrayLike, label_lengths: Lengths = None
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
    labels = as_int32(labels, f"{name} needs integers as labels")
    fits = labels.ndim and labels.shape[:-1] == batch
    shape = ", ".join(map(str, (*batch, "L")))
    require(fits, f"{name} needs labels of shape [{shape}]", labels)
    sizes = as_lengths(label_lengths, labels.shape, name, "label_lengths")
    return labels, sizes


def _as_logits(
    logits: Any, lengths: Any, blank: Any, name: str
) -> tuple[jax.Array, jax.Array]:
    logits, lengths = as_features(logits, lengths, name)
    fits = check_at_least(f"{name}: blank", blank, 0) < logits.shape[-1]
    needs = f"{name} needs a blank below {logits.shape[-1]}, the number of classes"
    require(fits, needs, blank)
    return logits, lengths


def ctc_loss(
    logits: ArrayLike,
    lengths: Lengths,
    labels: ArrayLike,
    label_lengths: Lengths = None,
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
        blank, is not a class or has no probability; the gradient is 0 there.

    Returns:
      [...] float32, in nats and never below 0.

    Raises:
      TypeError: if labels or lengths are not integers.
      ValueError: if shapes do not fit.

    Example:
      >>> loss = ctc_loss(jnp.zeros((2, 1, 2)), None, [[1], [1]], [1, 0])
      >>> jnp.exp(-loss).tolist()
      [0.5, 0.5]

    Graves et al. (2006), by optax, whose loss may be below 0 by rounding.
    """
    check_scalar("ctc_loss: impossible", impossible)
    never = jnp.asarray(impossible, jnp.float32)
    logits, lengths = _as_logits(logits, lengths, blank, "ctc_loss")
    labels, sizes = _as_labels(labels, label_lengths, lengths.shape, "ctc_loss")
    *batch, frames, classes = logits.shape
    most = labels.shape[-1]
    if not lengths.size or not frames:
        valid = ctc_valid(lengths, labels, sizes)
        return jnp.where(valid, jnp.float32(0), never)
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
    return jnp.where(valid, jnp.maximum(loss, 0), never).astype(jnp.float32)


def ctc_greedy(logits: ArrayLike, lengths: Lengths = None, *, blank: int = 0) -> Padded:
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
      >>> best = jnp.array([0, 2, 2, 0, 2, 1])
      >>> labels, count = ctc_greedy(jnp.eye(3)[best])
      >>> labels[:count].tolist()
      [2, 2, 1]
    """
    logits, lengths = _as_logits(logits, lengths, blank, "ctc_greedy")
    best = jnp.argmax(logits, -1).astype(jnp.int32)  # [..., T]
    kept = (jnp.diff(best, prepend=-1) != 0) & (best != blank)
    kept &= length_mask(lengths, best.shape[-1])
    order = jnp.argsort(~kept, axis=-1, stable=True)  # the kept ones first
    counts = kept.sum(-1, dtype=jnp.int32)
    return Padded(cut(jnp.take_along_axis(best, order, -1), counts), counts)


class _Beams(NamedTuple):
    labels: jax.Array  # [W, T]
    counts: jax.Array  # [W]
    blank: jax.Array  # [W] log-probability of alignments that end in the blank
    label: jax.Array  # [W] of those that end in the last label


def ctc_beam(
    logits: ArrayLike, lengths: Lengths = None, *, width: int = 16, blank: int = 0
) -> tuple[Padded, jax.Array]:
    """Decodes the most probable labels, each over all its alignments that it followed.

    Args:
      logits: [..., T, K] floating.
      lengths: [...] how many frames are real, None for all.
      width: W, how many beginnings are followed. What falls out of them is lost.
      blank: the class of the blank.

    Returns:
      [..., W, T] int32 labels, best first, and [..., W] how many there are; [..., W]
      float32 their log-probabilities, -inf where there were fewer than W, with no
      gradient (`ctc_loss` of the labels has one).

    Raises:
      TypeError: if logits are not floating.
      ValueError: if shapes do not fit, `width` is below 1 or the blank is not a class.

    Example:
      >>> chances = jnp.log(jnp.array([[[0.6, 0.4], [0.6, 0.4]]]))
      >>> (labels, counts), scores = ctc_beam(chances, width=2)
      >>> counts.tolist(), jnp.round(100 * jnp.exp(scores)).tolist()
      ([[1, 0]], [[64.0, 36.0]])

    Graves (2012), Hannun et al. (2014), with no language model.
    """
    width = check_axis("ctc_beam: width", width, 1)
    logits, lengths = _as_logits(logits, lengths, blank, "ctc_beam")
    scores = jax.nn.log_softmax(jax.lax.stop_gradient(logits).astype(jnp.float32))
    frames = scores.shape[-2]
    never = jnp.full(width, -jnp.inf)
    none = jnp.zeros((width, frames), jnp.int32), jnp.zeros(width, jnp.int32)
    first = _Beams(*none, never.at[0].set(0.0), never)

    def search(scores: jax.Array, length: jax.Array) -> tuple[Padded, jax.Array]:
        def step(beams: _Beams, entry: tuple) -> tuple[_Beams, None]:
            row, is_real = entry
            grown = _grow(beams, row, blank)
            kept = jax.tree.map(lambda *old: jnp.where(is_real, *old), grown, beams)
            return kept, None

        last, _ = jax.lax.scan(step, first, (scores, length_mask(length, frames)))
        total = jnp.logaddexp(last.blank, last.label)
        counts = jnp.where(total > -jnp.inf, last.counts, 0)
        return Padded(cut(last.labels, counts), counts), total

    return map_rows(search, lengths.ndim)(scores, lengths)


def _grow(beams: _Beams, row: jax.Array, blank: int) -> _Beams:
    """Reads a frame [K]: each beam stays or grows by a label; the W best are kept."""
    labels, counts = beams.labels, beams.counts
    (width, frames), classes = labels.shape, len(row)
    total = jnp.logaddexp(beams.blank, beams.label)  # [W]
    last = jnp.take_along_axis(labels, jnp.maximum(counts - 1, 0)[:, None], 1)[:, 0]
    last = jnp.where(counts > 0, last, blank)
    stay_blank = total + row[blank]
    stay_label = jnp.where(counts > 0, beams.label + row[last], -jnp.inf)
    # A label follows itself only behind a blank.
    is_last = last[:, None] == jnp.arange(classes)  # [W, K]
    longer = jnp.where(is_last, beams.blank[:, None], total[:, None]) + row  # [W, K]
    longer = longer.at[:, blank].set(-jnp.inf)
    # A longer beam may be one that is there already: it is counted with that.
    same = (labels[:, None] == labels) | ~length_mask(counts, frames)[:, None]
    joins = same.all(-1) & (counts[:, None] + 1 == counts)  # [W, W]: i grows into j
    joins &= (total > -jnp.inf)[:, None] & (total > -jnp.inf)
    into = jnp.where(joins, longer[:, last], -jnp.inf)  # [W, W]
    stay_label = jnp.logaddexp(stay_label, jax.nn.logsumexp(into, 0))
    longer = jnp.where((joins[:, :, None] & is_last).any(1), -jnp.inf, longer)
    stay = jnp.logaddexp(stay_blank, stay_label)
    every = jnp.concatenate([stay, longer.reshape(width * classes)])
    _, best = jax.lax.top_k(every, width)  # [W] of W * (1 + K)
    stays = best < width
    parent = jnp.where(stays, best, (best - width) // classes)
    label = jnp.where(stays, 0, (best - width) % classes).astype(jnp.int32)
    place = jnp.where(stays, frames, counts[parent])  # behind the end if none is new
    labels = labels[parent].at[jnp.arange(width), place].set(label, mode="drop")
    longer = longer[parent, label]
    return _Beams(
        labels,
        counts[parent] + ~stays,
        jnp.where(stays, stay_blank[parent], -jnp.inf),
        jnp.where(stays, stay_label[parent], longer),
    )
