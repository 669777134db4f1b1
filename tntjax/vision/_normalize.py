"""Floats made of grey levels, and channels of zero mean and unit deviation."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax.vision._images import as_channels, compiled, peak_of, widen


@compiled
def to_float(images: ArrayLike) -> jax.Array:
    """Converts levels from 0 to 255 to floats from 0 to 1.

    Args:
      images: [B, H, W, C] uint8, or floats, which keep their values.

    Returns:
      [B, H, W, C] float32; float64 of float64.

    Example:
      >>> to_float(np.full((1, 1, 1, 1), 255, np.uint8)).item()
      1.0
    """
    images = jnp.asarray(images)
    return widen(images) / peak_of(images)


@compiled
def normalize(
    images: ArrayLike, mean: float | Sequence[float], std: float | Sequence[float]
) -> jax.Array:
    """Subtracts a mean from each channel and divides by a deviation.

    Args:
      images: [B, H, W, C] uint8, which become floats from 0 to 1 first, or floats.
      mean: a number, or one for each channel; of images from 0 to 1.
      std: the same, none of them 0.

    Returns:
      [B, H, W, C] float32; float64 of float64.

    Raises:
      ValueError: if there are not as many numbers as channels, one is not finite, or a
        deviation is 0.

    Example:
      >>> normalize(np.full((1, 1, 1, 1), 255, np.uint8), mean=0.5, std=0.25).item()
      2.0

    Torchnet: `tnt.transform.normalize` is its own, which measures mean and deviation of
    each sample.
    """
    images = jnp.asarray(images)
    center = np.array(as_channels(mean, images, "normalize", "mean"))
    scale = np.array(as_channels(std, images, "normalize", "std"))
    require(scale.all(), "normalize needs deviations that are not 0", std)
    values, peak = widen(images), peak_of(images)
    center, scale = (jnp.asarray(part * peak, values.dtype) for part in (center, scale))
    return (values - center) / scale
