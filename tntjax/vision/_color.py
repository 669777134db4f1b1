"""Grey images, and random colours by one matrix for each image."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._numbers import check_axis
from tntjax.vision._images import (
    check_colors,
    check_within,
    compiled,
    draw_uniform,
    peak_of,
    restore,
    widen,
)

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the grey of a colour: ITU-R BT.601, as in Pillow."""

# Rows are the three numbers of YIQ (NTSC, 1953) of a colour: its grey, and two that
# turn with its hue.
_YIQ = np.array([LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])


@compiled
def grayscale(images: ArrayLike, num_channels: int = 1) -> jax.Array:
    """Takes the colour out of images.

    Args:
      images: [B, H, W, C] uint8 or floats, C of 1 or 3.
      num_channels: how often to repeat the grey: 3 where a network needs it.

    Returns:
      [B, H, W, num_channels] of the same dtype: 0.299 R + 0.587 G + 0.114 B, as
      ITU-R BT.601 and Pillow's `convert("L")` have it.

    Raises:
      ValueError: if there are other channels than grey, or red, green and blue.

    Example:
      >>> grayscale(jnp.ones((1, 2, 2, 3), jnp.uint8)).shape
      (1, 2, 2, 1)
    """
    images = check_colors(images, "grayscale")
    num_channels = check_axis("grayscale: num_channels", num_channels, 1)
    grey = restore(_luma(widen(images)), images)
    return jnp.broadcast_to(grey, (*grey.shape[:3], num_channels))


@compiled
def color_jitter(
    key: jax.Array,
    images: ArrayLike,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
    rate: float = 1.0,
) -> jax.Array:
    """Changes the colours of each image at random.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8, or floats from 0 to 1; C of 1 or 3.
      brightness: colours are multiplied by a factor from `1 - brightness`, but at least
        0, to `1 + brightness`.
      contrast: the same for their distance from the mean grey of the image.
      saturation: the same for their distance from their own grey.
      hue: they are turned about the grey axis by up to this share of a circle, at most
        0.5, either way.
      rate: the probability that an image is changed.

    Returns:
      [B, H, W, C] of the same dtype, from 0 to 255 or to 1.

    Raises:
      ValueError: if a number is out of range, or grey images are to have other colours.

    Example:
      >>> color_jitter(jax.random.key(0), jnp.ones((4, 8, 8, 3)), hue=0.1).shape
      (4, 8, 8, 3)

    The factors are those of torchvision's `ColorJitter`, whose four steps are taken in
    random order and cut off one by one; here they are one matrix, which is the same in
    any order. Hue is turned in YIQ, where it is linear and grey stays, not in HSV.
    """
    images = check_colors(images, "color_jitter")
    factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    for name, number in factors.items():
        check_within("color_jitter", name, number, math.inf)
    check_within("color_jitter", "hue", hue, 0.5)
    if images.shape[-1] == 1 and (saturation or hue):
        raise ValueError("color_jitter: grey images have no saturation and no hue.")
    drawn = draw_uniform(key, (5,))  # [B, 5]
    swing = jnp.where(drawn[:, 4:] < rate, 2 * drawn[:, :4] - 1, 0)  # [B, 4]
    reach = jnp.array([*factors.values(), hue], jnp.float32)
    middle = jnp.array([1, 1, 1, 0], jnp.float32)  # what changes nothing
    least = jnp.array([0, 0, 0, -1], jnp.float32)
    changes = jnp.maximum(middle + reach * swing, least)  # [B, 4]

    def change(image: jax.Array, changes: jax.Array) -> jax.Array:
        return restore(mix_colors(widen(image), peak_of(image), changes), image)

    return jax.vmap(change)(images, changes)


def _luma(values: jax.Array) -> jax.Array:
    """Computes the grey of colours, [..., C] to [..., 1]; of one channel, itself."""
    if values.shape[-1] == 1:
        return values
    return sum(share * values[..., c : c + 1] for c, share in enumerate(LUMA))  # type: ignore[return-value]  # sum starts with 0


def mix_colors(values: jax.Array, peak: float, changes: jax.Array) -> jax.Array:
    """Multiplies the colours [H, W, C] of an image by one matrix.

    `changes` [4] are factors of brightness, contrast and saturation, and the share of a
    circle that the hue turns. `peak` is white, where colours are cut off.
    """
    brightness, contrast, saturation, turn = changes
    mean = _luma(values.mean((0, 1))) * brightness  # [1]
    factor, channels = brightness * contrast, values.shape[-1]
    if channels == 1:
        mixed = values * factor
    else:
        matrix = factor * _color_matrix(saturation, turn)
        parts = [values[..., c : c + 1] * matrix[:, c] for c in range(channels)]
        mixed = functools.reduce(jnp.add, parts)
    return jnp.clip(mixed + (1 - contrast) * mean, 0, peak)


def _color_matrix(saturation: jax.Array, turn: jax.Array) -> jax.Array:
    """Returns the matrix [3, 3] that changes saturation and hue, and not the grey.

    It is the identity, exactly, where nothing is to change.
    """
    back = np.linalg.inv(_YIQ)
    # [1] + cos [plane] + sin [quarter turn]: with the projections onto YIQ's axes
    plane = back[:, 1:] @ _YIQ[1:]
    quarter = np.outer(back[:, 2], _YIQ[1]) - np.outer(back[:, 1], _YIQ[2])
    cosine = saturation * jnp.cos(2 * math.pi * turn)
    sine = saturation * jnp.sin(2 * math.pi * turn)
    matrix = jnp.eye(3, dtype=np.float32) + (cosine - 1) * plane.astype(np.float32)
    return matrix + sine * quarter.astype(np.float32)
