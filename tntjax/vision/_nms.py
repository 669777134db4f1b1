"""Non-maximum suppression."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_axis
from tntjax._struct import describe
from tntjax.vision._boxes import as_bools, as_boxes, box_iou
from tntjax.vision._images import check_within, compiled


class Kept(NamedTuple):
    """Boxes that are kept: `index` [count] int32, and `valid` [count] bool."""

    index: jax.Array
    valid: jax.Array


@compiled
def nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    count: int,
    threshold: float = 0.5,
    *,
    labels: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Kept:
    """Keeps the best of boxes that overlap, a fixed number of them.

    Args:
      boxes: [N, 4] left, top, right, bottom; for a batch use `jax.vmap`.
      scores: [N] real; those that are NaN are left out.
      count: how many boxes to keep at most.
      threshold: a box is left out if its intersection over union with a better one that
        is kept is larger.
      labels: [N] classes, which don't suppress each other; None is one class.
      mask: [N] bool; False leaves a box out.

    Returns:
      The places of the boxes, best first, of equals the first; and which of them are
      there, as after the last one `index` is 0 and `valid` False.

    Raises:
      TypeError: if `mask` is not bool.
      ValueError: if there isn't a score, or a label, for each box, `count` is below 1,
        or `threshold` not from 0 to 1.

    Example:
      >>> boxes = [[0, 0, 4, 4], [0, 0, 4, 3], [6, 6, 8, 8]]
      >>> kept = nms(boxes, [0.9, 0.8, 0.7], count=3)
      >>> kept.index.tolist(), kept.valid.tolist()
      ([0, 2, 0], [True, True, False])
    """
    boxes, scores = as_boxes(boxes, "nms"), jnp.asarray(scores)
    count = check_axis("nms: count", count, 1)
    check_within("nms", "threshold", threshold)
    if boxes.ndim != 2 or scores.shape != boxes.shape[:1]:
        raise ValueError(
            f"nms needs boxes [N, 4] and scores [N], got {describe(boxes)} and"
            f" {describe(scores)}. For a batch: jax.vmap(lambda b, s: nms(b, s, 100))."
        )
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    number = len(boxes)
    labels = jnp.zeros(number) if labels is None else jnp.asarray(labels)
    require(labels.shape == (number,), f"nms needs labels [{number}]", labels)
    alive = ~jnp.isnan(scores)
    if mask is not None:
        alive &= as_bools(mask, (number,), "nms: mask")

    def keep(alive: jax.Array, _: None) -> tuple[jax.Array, Kept]:
        best = jnp.argmax(jnp.where(alive, scores, -jnp.inf)).astype(jnp.int32)
        # where all that is left scores -inf, argmax may point to what is not
        best = jnp.where(alive[best], best, jnp.argmax(alive).astype(jnp.int32))
        valid = alive[best]
        overlap = box_iou(boxes[best][None], boxes)[0] > threshold  # [N]
        gone = (overlap & (labels == labels[best])) | (jnp.arange(number) == best)
        return alive & ~gone, Kept(jnp.where(valid, best, 0), valid)

    if not number:
        return Kept(jnp.zeros(count, jnp.int32), jnp.zeros(count, bool))
    return jax.lax.scan(keep, alive, length=count)[1]
