"""Images with a part that is gone."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax.vision._images import (
    as_fill,
    compiled,
    draw_uniform,
    per_example,
    split_each,
)
from tntjax.vision._window import find_windows, mark_windows


@compiled
def random_erasing(
    key: jax.Array,
    images: ArrayLike,
    rate: float = 0.5,
    scale: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    fill: float | tuple[float, ...] = 0,
) -> jax.Array:
    """Fills a random window of some images with one value.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      rate: the probability that an image loses a part.
      scale: the least and most share of the area that is lost.
      ratio: the least and most width of a part of height 1.
      fill: the value, or one for each channel, in the unit of the images.

    Returns:
      [B, H, W, C] of the same dtype. Where ten windows in a row are larger than the
      image it stays whole, as in torchvision.

    Raises:
      ValueError: if a rate, a range or `fill` is out of bounds.

    Example:
      >>> images = jnp.ones((1, 8, 8, 1))
      >>> erased = random_erasing(jax.random.key(0), images, 1.0, (0.25, 0.25), (1, 1))
      >>> float(erased.sum())
      48.0

    "Random Erasing Data Augmentation" (2017), with one value for all pixels.
    """
    images = jnp.asarray(images)
    first, second = split_each(key)
    windows, found = find_windows(first, images.shape[1:3], scale, ratio)
    erased = found[:, 0] & (draw_uniform(second) < rate)  # [B]
    inside = mark_windows(windows, images) & per_example(erased)
    return jnp.where(inside, as_fill(fill, images, "random_erasing"), images)
