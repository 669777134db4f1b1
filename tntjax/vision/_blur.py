"""Blurred images."""

import functools
import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._struct import describe
from tntjax.vision._images import compiled, draw_uniform, map_images, restore, widen


@compiled
def gaussian_blur(
    key: jax.Array,
    images: ArrayLike,
    sigma: tuple[float, float] = (0.1, 2.0),
    rate: float = 1.0,
) -> jax.Array:
    """Blurs each image with a Gaussian of random width.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      sigma: the least and the most standard deviation, in pixels, above 0.
      rate: the probability that an image is blurred.

    Returns:
      [B, H, W, C] of the same dtype. The Gaussian is cut off at three times the most
      `sigma`; at the edges the image is mirrored, the outermost pixel once.

    Raises:
      ValueError: if a number is out of range, or the Gaussian is wider than the images.

    Example:
      >>> gaussian_blur(jax.random.key(0), jnp.zeros((4, 32, 32, 3))).shape
      (4, 32, 32, 3)

    As in SimCLR (2020) and torchvision's `GaussianBlur`, where the kernel has a size of
    its own.
    """
    images, (low, high) = jnp.asarray(images), sigma
    radius = math.ceil(3 * high)
    if radius >= min(images.shape[1:3]):
        raise ValueError(
            f"gaussian_blur with sigma up to {high:g} reaches {radius} pixels to each"
            f" side, beyond the images: {describe(images)}."
        )
    drawn = draw_uniform(key, (2,))  # [B, 2]
    width = (low + (high - low) * drawn[:, 0])[:, None]
    place = jnp.arange(-radius, radius + 1)
    kernel = jnp.exp(-0.5 * (place / width) ** 2)  # [B, 2 radius + 1]
    kernel = kernel / kernel.sum(-1, keepdims=True)
    kernel = jnp.where(drawn[:, 1:] < rate, kernel, place == 0)

    def blur(image: jax.Array, kernel: jax.Array) -> jax.Array:
        values = widen(image)
        for axis, length in enumerate(image.shape[:2]):
            pads = [(radius, radius) if axis == at else (0, 0) for at in range(3)]
            padded = jnp.pad(values, pads, mode="reflect")
            parts = (
                kernel[at] * jax.lax.slice_in_dim(padded, at, at + length, axis=axis)
                for at in range(2 * radius + 1)
            )
            values = functools.reduce(jnp.add, parts)
        return restore(values, image)

    return map_images(blur, images, kernel)
