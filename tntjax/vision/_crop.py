"""Parts of images, of one size."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax.vision._images import (
    as_fill,
    as_images,
    as_size,
    compiled,
    draw_uniform,
    split_key,
)


@compiled
def center_crop(images: ArrayLike, size: int | tuple[int, int]) -> jax.Array:
    """Cuts the middle out of images.

    Args:
      images: [B, H, W, C] uint8 or floats.
      size: height and width, or one number for both; at most those of the images.

    Returns:
      [B, height, width, C] of the same dtype. Where as many pixels can't be left on
      both sides, there is one more at the right or below.

    Raises:
      ValueError: if the size is larger than the images.

    Example:
      >>> center_crop(jnp.arange(16.0).reshape(1, 4, 4, 1), 2).ravel().tolist()
      [5.0, 6.0, 9.0, 10.0]
    """
    images = as_images(images, "center_crop")
    height, width = _check_fits(as_size(size, "center_crop"), images, "center_crop")
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


@compiled
def random_crop(
    key: jax.Array,
    images: ArrayLike,
    size: int | tuple[int, int],
    pad: int = 0,
    fill: float | tuple[float, ...] = 0,
) -> jax.Array:
    """Cuts a part of one size out of each image, at a random place.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      size: height and width, or one number for both.
      pad: how many pixels to put around the images before.
      fill: their value, or one for each channel, in the unit of the images.

    Returns:
      [B, height, width, C] of the same dtype.

    Raises:
      ValueError: if the size is larger than the images with their padding, or `fill` is
        not a value of theirs.

    Example:
      >>> images = jnp.zeros((8, 32, 32, 3), jnp.uint8)
      >>> random_crop(jax.random.key(0), images, 32, pad=4).shape
      (8, 32, 32, 3)
    """
    images = as_images(images, "random_crop")
    pad = check_at_least("random_crop: pad", pad, 0)
    around = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    value = as_fill(fill, images, "random_crop")
    padded = jnp.pad(images, around, constant_values=value if value.ndim == 0 else 0)
    if value.ndim:  # of each channel
        inner = jnp.pad(jnp.ones(images.shape[1:3], bool), pad)[..., None]
        padded = jnp.where(inner, padded, value)
    height, width = _check_fits(as_size(size, "random_crop"), padded, "random_crop")
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    drawn = draw_uniform(split_key(key, len(images), "random_crop"), (2,))  # [B, 2]
    most = jnp.asarray([rows - 1, columns - 1], jnp.int32)
    start = jnp.floor(drawn * jnp.asarray([rows, columns])).astype(jnp.int32)
    start = jnp.minimum(start, most)

    def cut(image: jax.Array, start: jax.Array) -> jax.Array:
        shape = (height, width, image.shape[-1])
        return jax.lax.dynamic_slice(image, (start[0], start[1], 0), shape)

    return jax.vmap(cut)(padded, start)


def _check_fits(size: tuple[int, int], images: jax.Array, name: str) -> tuple[int, int]:
    """Returns the size, or raises a ValueError if the images are smaller."""
    if size[0] > images.shape[1] or size[1] > images.shape[2]:
        raise ValueError(
            f"{name} needs images of {size[0]} by {size[1]} or more, got"
            f" {describe(images)}. Use resize first, or pad with random_crop(pad=)."
        )
    return size
