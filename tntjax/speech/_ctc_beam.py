"""Prefix beam search of connectionist temporal classification."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least
from tntjax.speech._ctc import as_logits
from tntjax.speech._lengths import Padded, cut
from tntjax.text import length_mask


class _Beams(NamedTuple):
    labels: jax.Array  # [W, T]
    counts: jax.Array  # [W]
    blank: jax.Array  # [W] log-probability of alignments that end in the blank
    label: jax.Array  # [W] of those that end in the last label


def ctc_beam(
    logits: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    width: int = 16,
    blank: int = 0,
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
      >>> import numpy as np
      >>> chances = np.log([[[0.6, 0.4], [0.6, 0.4]]])
      >>> (labels, counts), scores = ctc_beam(chances, width=2)
      >>> counts.tolist(), (100 * np.exp(scores)).astype(int).tolist()
      ([[1, 0]], [[64, 36]])

    Graves (2012), Hannun et al. (2014), with no language model.
    """
    width = check_at_least("ctc_beam: width", width, 1)
    logits, lengths = as_logits(logits, lengths, blank, "ctc_beam")
    scores = jax.nn.log_softmax(jax.lax.stop_gradient(logits).astype(jnp.float32))
    *batch, frames, classes = scores.shape
    never = jnp.full(width, -jnp.inf)
    first = _Beams(
        jnp.zeros((width, frames), jnp.int32),
        jnp.zeros(width, jnp.int32),
        never.at[0].set(0.0),
        never,
    )

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

    flat = scores.reshape(lengths.size, frames, classes), lengths.reshape(lengths.size)
    found = jax.vmap(search)(*flat)
    return jax.tree.map(lambda leaf: leaf.reshape(*batch, *leaf.shape[1:]), found)


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
    is_last = last[:, None] == jnp.arange(classes)
    longer = jnp.where(is_last, beams.blank[:, None], total[:, None]) + row  # [W, K]
    longer = longer.at[:, blank].set(-jnp.inf)
    # A longer beam may be one that is there already: it is counted with that.
    same = (labels[:, None] == labels) | ~length_mask(counts, frames)[:, None]
    joins = same.all(-1) & (counts[:, None] + 1 == counts)  # [W, W]: i grows into j
    joins &= (total > -jnp.inf)[:, None] & (total > -jnp.inf)
    into = jnp.where(joins, longer[:, last], -jnp.inf)  # [W, W]
    stay_label = jnp.logaddexp(stay_label, jax.nn.logsumexp(into, 0))
    gone = (joins[:, :, None] & (last[:, None] == jnp.arange(classes))).any(1)
    longer = jnp.where(gone, -jnp.inf, longer)
    every = jnp.concatenate(
        [jnp.logaddexp(stay_blank, stay_label), longer.reshape(width * classes)]
    )
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
