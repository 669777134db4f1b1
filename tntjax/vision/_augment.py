"""RandAugment and TrivialAugment, as one warp, one matrix of colours and one table."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least, check_number
from tntjax.vision._color import mix_colors
from tntjax.vision._images import (
    as_fill,
    as_images,
    check_colors,
    compiled,
    draw_uniform,
    peak_of,
    split_key,
)
from tntjax.vision._tables import (
    LEVELS,
    apply_table,
    count_levels,
    equalize,
    move_counts,
    posterize,
    solarize,
    stretch,
)
from tntjax.vision._warp import affine_maps, sharpen, warp

MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
FACTORS = ("brightness", "contrast", "saturation", "sharpness")
TABLES = ("posterize", "solarize", "stretch", "equalize")

OPERATIONS = ("identity", *MOVES, *FACTORS, *TABLES)
"""What is drawn from, as in torchvision, each with the same probability."""

BINS = 31
"""How many magnitudes there are, from 0 on."""


class Reach(NamedTuple):
    """The reach of operations at the largest magnitude; first those of `MOVES`."""

    shear_x: float
    shear_y: float
    move_x: float
    move_y: float
    degrees: float
    factor: float
    bits: int


@compiled
def rand_augment(
    key: jax.Array,
    images: ArrayLike,
    num_operations: int = 2,
    magnitude: float = 9,
    fill: float | tuple[float, ...] = 0,
) -> jax.Array:
    """Applies random operations of one magnitude to each image.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8, or floats from 0 to 1; C of 1 or 3.
      num_operations: how many of the 14 operations each image gets.
      magnitude: how strong they are, from 0 to 30.
      fill: the value of what a warp brings in from outside, in the unit of the images.

    Returns:
      [B, H, W, C] of the same dtype, in steps of one grey level.

    Raises:
      ValueError: if a number is out of range, or there are neither 1 nor 3 channels.

    Example:
      >>> images = jnp.zeros((4, 32, 32, 3), jnp.uint8)
      >>> rand_augment(jax.random.key(0), images).shape
      (4, 32, 32, 3)

    "RandAugment" (2019), with the operations and magnitudes of torchvision's
    `RandAugment`. There each operation is a pass over the image, in the order in which
    they are drawn. Here those that move pixels are one map, those that mix colours one
    matrix, those of levels one table, and are applied in this order; shears are about
    the middle, and pixels are interpolated linearly.
    """
    images = as_images(images, "rand_augment")
    number = check_at_least("rand_augment: num_operations", num_operations, 1)
    if not 0 <= check_number("rand_augment: magnitude", magnitude) <= BINS - 1:
        raise ValueError(
            f"rand_augment needs 0 <= magnitude <= {BINS - 1}, got {magnitude}."
        )
    check_colors(images, "rand_augment")
    _, height, width, _ = images.shape
    part = 150 / 331  # of the image, as in the search space of AutoAugment
    reach = Reach(0.3, 0.3, part * width, part * height, 30.0, 0.9, 4)
    drawn = draw_uniform(split_key(key, len(images), "rand_augment"), (number, 2))
    level = jnp.full(drawn.shape[:2], magnitude / (BINS - 1), jnp.float32)
    fill_ = as_fill(fill, images, "rand_augment")
    return _augment(images, drawn, level, reach, fill_)


@compiled
def trivial_augment(
    key: jax.Array, images: ArrayLike, fill: float | tuple[float, ...] = 0
) -> jax.Array:
    """Applies one random operation of random magnitude to each image.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8, or floats from 0 to 1; C of 1 or 3.
      fill: the value of what a warp brings in from outside, in the unit of the images.

    Returns:
      [B, H, W, C] of the same dtype, in steps of one grey level.

    Raises:
      ValueError: if there are neither 1 nor 3 channels.

    Example:
      >>> images = jnp.zeros((4, 32, 32, 3), jnp.uint8)
      >>> trivial_augment(jax.random.key(0), images).shape
      (4, 32, 32, 3)

    "TrivialAugment" (2021) with its wide magnitudes, which torchvision's
    `TrivialAugmentWide` has, and the differences that `rand_augment` names.
    """
    images = as_images(images, "trivial_augment")
    check_colors(images, "trivial_augment")
    drawn = draw_uniform(split_key(key, len(images), "trivial_augment"), (1, 3))
    reach = Reach(0.99, 0.99, 32, 32, 135.0, 0.99, 6)
    level = jnp.minimum(jnp.floor(drawn[..., 2] * BINS), BINS - 1) / (BINS - 1)
    fill_ = as_fill(fill, images, "trivial_augment")
    return _augment(images, drawn, level, reach, fill_)


def _augment(
    images: jax.Array, drawn: jax.Array, level: jax.Array, reach: Reach, fill: jax.Array
) -> jax.Array:
    """Applies what is drawn: [B, n, 2 or more] from 0 to 1, with levels [B, n]."""
    count = len(OPERATIONS)
    operation = jnp.minimum((drawn[..., 0] * count).astype(jnp.int32), count - 1)
    signed = jnp.where(drawn[..., 1] < 0.5, -level, level)  # [B, n]
    if not len(images):
        return images
    return apply_operations(images, operation, signed, reach, fill)


@functools.partial(jax.jit, static_argnums=3, inline=True)
def apply_operations(
    images: jax.Array,
    operation: jax.Array,
    signed: jax.Array,
    reach: Reach,
    fill: Any,
) -> jax.Array:
    """Applies operations [B, n], places in `OPERATIONS`, to images [B, H, W, C].

    `signed` are [B, n] from -1 to 1; what has no direction takes the distance from 0.
    """
    peak = peak_of(images)

    def chosen(name: str, most: float) -> jax.Array:  # [B, n], 0 where it is another
        return jnp.where(operation == OPERATIONS.index(name), most * signed, 0)

    moves = [chosen(name, most) for name, most in zip(MOVES, reach, strict=False)]
    maps = affine_maps(*(move[:, 0] for move in moves))  # [B, 3, 3]
    for place in range(1, operation.shape[1]):
        later = affine_maps(*(move[:, place] for move in moves))
        maps = jnp.matmul(maps, later, precision="highest")
    brightness, contrast, saturation, sharpness = (
        (1 + chosen(name, reach.factor)).prod(-1)
        for name in FACTORS  # [B] each
    )
    values = warp(images, maps, fill) * (255 / peak)
    changes = [brightness, contrast, saturation, jnp.zeros_like(contrast)]
    values = sharpen(mix_colors(values, 255.0, changes), sharpness)
    levels = jnp.clip(jnp.round(values), 0, 255).astype(jnp.int32)
    levels = apply_table(_find_table(levels, operation, signed, reach), levels)
    found = (levels.astype(jnp.float32) * (peak / 255)).astype(images.dtype)
    if images.dtype == jnp.uint8:
        return found
    return jnp.where(jnp.isnan(values), jnp.nan, found).astype(images.dtype)


def _find_table(
    levels: jax.Array, operation: jax.Array, signed: jax.Array, reach: Reach
) -> jax.Array:
    """Returns one table [B, C, 256] for all operations on levels that are drawn.

    Each sees the levels as those before left them, of which the counts are enough.
    """
    counts = count_levels(levels)
    table = jnp.broadcast_to(jnp.arange(LEVELS, dtype=jnp.int32), counts.shape)
    for place in range(operation.shape[1]):
        strength = jnp.abs(signed[:, place])  # [B]
        bits = 8 - jnp.round(reach.bits * strength).astype(jnp.int32)
        tables = {
            "posterize": posterize(bits)[:, None],
            "solarize": solarize(255 * (1 - strength))[:, None],
            "stretch": stretch(counts),
            "equalize": equalize(counts),
        }
        step = jnp.broadcast_to(jnp.arange(LEVELS, dtype=jnp.int32), counts.shape)
        for name, own in tables.items():
            is_drawn = operation[:, place] == OPERATIONS.index(name)
            step = jnp.where(is_drawn[:, None, None], own, step)
        table = jnp.take_along_axis(step, table, -1)
        counts = move_counts(counts, step)
    return table
