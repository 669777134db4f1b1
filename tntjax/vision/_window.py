"""Random windows of an image: parts with a given share of its area."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax.vision._boxes import as_boxes, divide
from tntjax.vision._images import as_size, compiled, draw_uniform

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
    return find_windows(key, as_size(image_size, "draw_windows"), scale, ratio)[0]


def find_windows(
    keys: jax.Array,
    image_size: tuple[int, ...],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[jax.Array, jax.Array]:
    """Draws windows, and tells which are not those in the middle: [B, 4], [B, 1]."""
    height, width = image_size
    drawn = draw_uniform(keys, (TRIES + 1, 2))  # [B, TRIES + 1, 2]
    area = height * width * (scale[0] + (scale[1] - scale[0]) * drawn[:, 1:, 0])
    low, high = map(math.log, ratio)
    aspect = jnp.exp(low + (high - low) * drawn[:, 1:, 1])  # [B, TRIES]
    sides = jnp.round(jnp.sqrt(jnp.stack([area * aspect, area / aspect], -1)))
    most = jnp.asarray([width, height], jnp.float32)
    fits = ((sides >= 1) & (sides <= most)).all(-1)  # [B, TRIES]
    first = jnp.argmax(fits, -1)[:, None, None]
    sides = jnp.take_along_axis(sides, first, 1)[:, 0]  # [B, 2]
    start = jnp.floor(drawn[:, 0] * (most - sides + 1))
    windows = jnp.concatenate([start, start + sides], -1)  # [B, 4]
    # else the largest in the middle whose ratio is allowed
    wide = min(width, max(1, round(height * ratio[1])))
    tall = min(height, max(1, round(width / ratio[0])))
    left, top = (width - wide) // 2, (height - tall) // 2
    middle = jnp.asarray([left, top, left + wide, top + tall], jnp.float32)
    found = fits.any(-1, keepdims=True)
    return jnp.where(found, windows, middle), found


def mark_windows(windows: jax.Array, images: jax.Array) -> jax.Array:
    """Returns where pixels are inside of windows [B, 4]: [B, H, W, 1] bool."""
    left, top, right, bottom = (windows[:, side, None] for side in range(4))  # [B, 1]
    row, column = jnp.arange(images.shape[1]), jnp.arange(images.shape[2])
    inside_rows = (row >= top) & (row < bottom)  # [B, H]
    inside_columns = (column >= left) & (column < right)  # [B, W]
    return (inside_rows[:, :, None] & inside_columns[:, None])[..., None]


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
    needs = f"crop_boxes needs windows [{len(boxes)}, 4], one for each image"
    require(jnp.shape(windows) == (len(boxes), 4), needs, windows)
    windows = jnp.asarray(windows, jnp.float32).reshape(-1, 1, 2, 2)
    start, stop = windows[:, :, :1], windows[:, :, 1:]  # [B, 1, 1, xy]
    corners = boxes.reshape(*boxes.shape[:-1], 2, 2)  # [B, N, 2 corners, xy]
    cut = jnp.clip(corners, start, stop)
    sides, left = (c[..., 1, :] - c[..., 0, :] for c in (corners, cut))
    share = divide(left, sides).prod(-1)
    whole = jnp.where(stop > start, stop - start, 1)  # of an empty one all is 0
    moved = (cut - start) * (jnp.asarray([width, height], jnp.float32) / whole)
    return moved.reshape(boxes.shape), share
