"""Random windows of an image: parts with a given share of its area."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax.vision._boxes import as_boxes
from tntjax.vision._images import as_range, as_size, compiled, draw_uniform, split_key

TRIES = 10
"""How often a window that is larger than the image is drawn anew, as in torchvision."""


@compiled
def draw_windows(
    key: jax.Array,
    count: int,
    image_size: int | tuple[int, ...],
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> jax.Array:
    """Draws a window for each image, as `random_resized_crop` does.

    Args:
      key: a key, which is consumed, or [count] keys.
      count: how many images there are.
      image_size: their height and width.
      scale: the least and most share of the area.
      ratio: the least and most width of a window of height 1; its logarithm is uniform.

    Returns:
      [count, 4] float32: left, top, right, bottom, whole numbers. Where ten windows in
      a row don't fit it is the largest in the middle whose ratio is allowed.

    Raises:
      ValueError: if a range is out of order or out of bounds.

    Example:
      >>> draw_windows(jax.random.key(0), 2, (32, 48), scale=(1, 1), ratio=(1.5, 1.5))
      Array([[ 0.,  0., 48., 32.],
             [ 0.,  0., 48., 32.]], dtype=float32)

    The distribution is that of "Going deeper with convolutions" (2015) as torchvision's
    `RandomResizedCrop` draws it.
    """
    count = check_at_least("draw_windows: count", count, 0)
    size = as_size(image_size, "draw_windows")
    return find_windows(key, count, size, scale, ratio, "draw_windows")[0]


def find_windows(
    key: jax.Array,
    count: int,
    image_size: tuple[int, ...],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    name: str,
) -> tuple[jax.Array, jax.Array]:
    """Draws windows, and tells which are not those in the middle: [B, 4], [B, 1]."""
    height, width = image_size
    scale = as_range(scale, f"{name}: scale", 0.0, 1.0)
    ratio = as_range(ratio, f"{name}: ratio", 1e-6)
    keys = split_key(key, count, name)
    drawn = draw_uniform(keys, (TRIES + 1, 2))  # [B, TRIES + 1, 2]
    area = scale[0] + (scale[1] - scale[0]) * drawn[:, 1:, 0]
    low, high = map(math.log, ratio)
    aspect = jnp.exp(low + (high - low) * drawn[:, 1:, 1])  # [B, TRIES]
    area = height * width * area
    wide, high_ = jnp.round(jnp.sqrt(area * aspect)), jnp.round(jnp.sqrt(area / aspect))
    fits = (wide >= 1) & (wide <= width) & (high_ >= 1) & (high_ <= height)
    first = jnp.argmax(fits, -1)[:, None]  # [B, 1]
    wide, high_ = (jnp.take_along_axis(a, first, 1)[:, 0] for a in (wide, high_))
    left = jnp.floor(drawn[:, 0, 0] * (width - wide + 1))
    top = jnp.floor(drawn[:, 0, 1] * (height - high_ + 1))
    windows = jnp.stack([left, top, left + wide, top + high_], -1)  # [B, 4]
    middle = jnp.asarray(_middle(height, width, ratio), jnp.float32)
    found = fits.any(-1, keepdims=True)
    return jnp.where(found, windows, middle), found


def _middle(
    height: int, width: int, ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Returns the largest window in the middle whose ratio is allowed."""
    wide = min(width, max(1, round(height * ratio[1])))
    high = min(height, max(1, round(width / ratio[0])))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


@compiled
def crop_boxes(
    boxes: ArrayLike, windows: ArrayLike, size: int | tuple[int, int]
) -> tuple[jax.Array, jax.Array]:
    """Crops boxes with their image, and scales them as `crop_resize` scales it.

    Args:
      boxes: [B, N, 4] left, top, right, bottom.
      windows: [B, 4], those that the images were cropped to.
      size: height and width that the windows were resized to.

    Returns:
      [B, N, 4] float32, cut at the edges; and [B, N] float32, the share of each box
      that is left, 0 where nothing is: keep `share > 0`, or what is large enough.

    Raises:
      ValueError: if there is not a window for each image, or boxes have another shape.

    Example:
      >>> boxes, share = crop_boxes([[[0, 0, 4, 2]]], [[2, 0, 6, 4]], size=8)
      >>> boxes.tolist(), share.tolist()
      ([[[0.0, 0.0, 4.0, 4.0]]], [[0.5]])
    """
    height, width = as_size(size, "crop_boxes")
    boxes = as_boxes(boxes, "crop_boxes", "[B, N, 4]")
    if jnp.shape(windows) != (len(boxes), 4):
        raise ValueError(
            f"crop_boxes needs windows [{len(boxes)}, 4], one for each image, got"
            f" {describe(windows)}."
        )
    windows = jnp.asarray(windows, jnp.float32)[:, None]  # [B, 1, 4]
    start, stop = windows[..., :2], windows[..., 2:]
    corners = boxes.reshape(*boxes.shape[:-1], 2, 2)  # [B, N, 2 corners, xy]
    cut = jnp.clip(corners, start[..., None, :], stop[..., None, :])
    sides, left = (c[..., 1, :] - c[..., 0, :] for c in (corners, cut))
    share = jnp.where(sides > 0, left / jnp.where(sides > 0, sides, 1), 0).prod(-1)
    whole = jnp.where(stop > start, stop - start, 1)  # of an empty one all is 0
    scale = jnp.asarray([width, height], jnp.float32) / whole  # [B, 1, 2]
    moved = (cut - start[..., None, :]) * scale[..., None, :]
    return moved.reshape(boxes.shape), share
