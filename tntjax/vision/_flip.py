"""Mirrored images, and boxes with them."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax.vision._boxes import as_bools, as_boxes
from tntjax.vision._images import compiled, draw_uniform, per_example


@compiled
def draw_flips(key: jax.Array, count: int, rate: float = 0.5) -> jax.Array:
    """Draws which images are mirrored, as `random_flip` does.

    `flip_boxes(boxes, flips, width)` flips boxes with their image, and `random_flip`
    with the same key masks.

    Args:
      key: a key, which is consumed, or [count] keys.
      count: how many images there are.
      rate: the probability of each.

    Returns:
      [count] bool.

    Raises:
      ValueError: if `rate` is not from 0 to 1, or `count` is below 0.

    Example:
      >>> draw_flips(jax.random.key(0), 3, rate=1.0).tolist()
      [True, True, True]
    """
    return draw_uniform(key) < rate


@compiled
def random_flip(key: jax.Array, images: ArrayLike, rate: float = 0.5) -> jax.Array:
    """Mirrors each image left to right with a probability.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      rate: the probability of each.

    Returns:
      [B, H, W, C] of the same dtype.

    Raises:
      ValueError: if `rate` is not from 0 to 1.

    Example:
      >>> random_flip(jax.random.key(0), jnp.zeros((8, 32, 32, 3))).shape
      (8, 32, 32, 3)
    """
    images = jnp.asarray(images)
    return jnp.where(per_example(draw_uniform(key) < rate), images[:, :, ::-1], images)


@compiled
def flip_boxes(boxes: ArrayLike, flipped: ArrayLike, width: ArrayLike) -> jax.Array:
    """Mirrors boxes with their image.

    Args:
      boxes: [B, N, 4] left, top, right, bottom.
      flipped: [B] bool, those images that are mirrored.
      width: the width of the images, or [B] of each, in the unit of the boxes.

    Returns:
      [B, N, 4] float32.

    Raises:
      TypeError: if `flipped` is not bool.
      ValueError: if shapes don't fit.

    Example:
      >>> flip_boxes([[[1, 2, 4, 6]]], [True], width=10).tolist()
      [[[6.0, 2.0, 9.0, 6.0]]]
    """
    boxes = as_boxes(boxes, "flip_boxes", "[B, N, 4]")
    flipped = as_bools(flipped, boxes.shape[:1], "flip_boxes: flipped")
    width = jnp.asarray(width, jnp.float32)
    fits = width.shape in ((), boxes.shape[:1])
    require(fits, f"flip_boxes needs one width, or [{len(boxes)}]", width)
    left, top, right, bottom = jnp.moveaxis(boxes, -1, 0)  # [B, N] each
    width = width.reshape(-1, 1)
    mirrored = jnp.stack([width - right, top, width - left, bottom], -1)
    return jnp.where(flipped[:, None, None], mirrored, boxes)
