"""Parts of images, of one size."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_axis
from tntjax._struct import describe
from tntjax.vision._images import as_fill, as_size, compiled, draw_uniform


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
    images = jnp.asarray(images)
    height, width = _as_part(size, images, "center_crop")
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
      >>> random_crop(jax.random.key(0), jnp.zeros((8, 32, 32, 3)), 32, pad=4).shape
      (8, 32, 32, 3)
    """
    images = jnp.asarray(images)
    pad = check_axis("random_crop: pad", pad, bits=30)
    batch, rows, columns, channels = images.shape
    shape = batch, rows + 2 * pad, columns + 2 * pad, channels
    padded = jnp.broadcast_to(as_fill(fill, images, "random_crop"), shape)
    padded = padded.at[:, pad : pad + rows, pad : pad + columns].set(images)
    height, width = _as_part(size, padded, "random_crop")
    places = jnp.asarray(padded.shape[1:3]) - jnp.asarray([height, width]) + 1
    start = jnp.floor(draw_uniform(key, (2,)) * places).astype(jnp.int32)  # [B, 2]
    start = jnp.minimum(start, places - 1)

    def cut(image: jax.Array, start: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (*start, 0), (height, width, channels))

    return jax.vmap(cut)(padded, start)


def _as_part(size: Any, images: jax.Array, name: str) -> tuple[int, int]:
    """Returns height and width; raises a ValueError if the images are smaller."""
    height, width = as_size(size, name)
    if height > images.shape[1] or width > images.shape[2]:
        raise ValueError(
            f"{name} needs images of {height} by {width} or more, got"
            f" {describe(images)}. Use resize first, or pad with random_crop(pad=)."
        )
    return height, width
