"""RandAugment and TrivialAugment, as one warp, one matrix of colours and one table."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least
from tntjax.vision._color import mix_colors
from tntjax.vision._images import (
    as_fill,
    check_colors,
    check_within,
    compiled,
    draw_uniform,
    map_images,
    peak_of,
    widen,
)
from tntjax.vision._tables import (
    LEVEL,
    apply_table,
    count_levels,
    equalize,
    move_counts,
    posterize,
    solarize,
    stretch,
)
from tntjax.vision._warp import affine_map, sharpen, warp

MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
COLORS = ("brightness", "contrast", "saturation")
TABLES = ("posterize", "solarize", "stretch", "equalize")

OPERATIONS = ("identity", *MOVES, *COLORS, "sharpness", *TABLES)
"""What is drawn from, as in torchvision, each with the same probability."""

STRONGEST = 30
"""The largest magnitude; the least is 0."""


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
      >>> rand_augment(jax.random.key(0), jnp.zeros((4, 32, 32, 3), jnp.uint8)).shape
      (4, 32, 32, 3)

    "RandAugment" (2019), with the operations and magnitudes of torchvision's, where
    each is a pass over the image, in the order in which they are drawn. Here those that
    move pixels are one map, those that mix colours one matrix, those of levels one
    table, in this order; shears are about the middle, and pixels are interpolated.
    """
    images = check_colors(images, "rand_augment")
    number = check_at_least("rand_augment: num_operations", num_operations, 1)
    check_within("rand_augment", "magnitude", magnitude, STRONGEST)
    _, height, width, _ = images.shape
    part = 150 / 331  # of the image, as in the search space of AutoAugment
    reach = (0.3, part * width, part * height, 30.0, 0.9, 4)
    drawn = draw_uniform(key, (number, 2))
    level = jnp.full(drawn.shape[:2], magnitude / STRONGEST, jnp.float32)
    outside = as_fill(fill, images, "rand_augment")
    return _augment(images, drawn, level, reach, outside)


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
      >>> trivial_augment(jax.random.key(0), jnp.zeros((4, 32, 32, 1))).shape
      (4, 32, 32, 1)

    "TrivialAugment" (2021) with its wide magnitudes, which torchvision's
    `TrivialAugmentWide` has, and the differences that `rand_augment` names.
    """
    images = check_colors(images, "trivial_augment")
    drawn = draw_uniform(key, (1, 3))
    level = jnp.minimum(jnp.floor(drawn[..., 2] * (STRONGEST + 1)), STRONGEST)
    reach = (0.99, 32, 32, 135.0, 0.99, 6)
    outside = as_fill(fill, images, "trivial_augment")
    return _augment(images, drawn, level / STRONGEST, reach, outside)


def _augment(
    images: jax.Array, drawn: jax.Array, level: jax.Array, reach: tuple, fill: jax.Array
) -> jax.Array:
    """Applies what is drawn, [B, n, 2 or more] from 0 to 1, with levels [B, n].

    `reach` is how far shears, moves in x and y, turns, factors and bits go at level 1.
    """
    shear, move_x, move_y, degrees, factor, bits = reach
    most = [0, shear, shear, move_x, move_y, degrees, *[factor] * 4, bits, 1, 0, 0]
    operation = jnp.floor(drawn[..., 0] * len(OPERATIONS)).astype(jnp.int32)
    operation = jnp.minimum(operation, len(OPERATIONS) - 1)  # [B, n]
    strength = jnp.where(drawn[..., 1] < 0.5, -level, level)
    strength = strength * jnp.array(most, jnp.float32)[operation]
    return apply_operations(images, operation, strength, fill)


@functools.partial(jax.jit, inline=True)
def apply_operations(
    images: jax.Array, operation: jax.Array, strength: jax.Array, fill: jax.Array
) -> jax.Array:
    """Applies operations [B, n], places in `OPERATIONS`, to images [B, H, W, C].

    `strength` [B, n] has a sign, which is left out where there is no direction.
    """
    apply = functools.partial(_apply, fill=fill)
    return map_images(apply, images, operation, strength)


def _apply(
    image: jax.Array, operation: jax.Array, strength: jax.Array, fill: jax.Array
) -> jax.Array:
    """Applies operations [n] to an image [H, W, C]."""
    peak = peak_of(image)
    by_name = {  # [n] each, 0 where it is another
        name: jnp.where(operation == place, strength, 0)
        for place, name in enumerate(OPERATIONS)
    }

    def if_drawn(names: tuple[str, ...], change: Callable, values: jax.Array) -> Any:
        return jax.lax.cond(_is_drawn(operation, names), change, lambda v: v, values)

    def move(_: jax.Array) -> jax.Array:
        moves = jnp.stack([by_name[name] for name in MOVES], -1)  # [n, 5]
        maps = jax.vmap(affine_map)(moves)  # [n, 3, 3]
        product = functools.partial(jnp.matmul, precision="highest")
        return warp(image, functools.reduce(product, maps), fill)

    def mix(values: jax.Array) -> jax.Array:
        factors = [(1 + by_name[name]).prod() for name in COLORS]
        return mix_colors(values, 255.0, jnp.array([*factors, 0.0]))

    values = if_drawn(MOVES, move, widen(image)) * (255 / peak)
    values = if_drawn(COLORS, mix, values)
    factor = (1 + by_name["sharpness"]).prod()
    values = if_drawn(("sharpness",), lambda v: sharpen(v, factor), values)
    levels = jnp.clip(jnp.round(values), 0, 255).astype(jnp.int32)
    table = _find_table(levels, operation, jnp.abs(strength))
    levels = if_drawn(TABLES, lambda v: apply_table(table, v), levels)
    found = (levels.astype(jnp.float32) * (peak / 255)).astype(image.dtype)
    if image.dtype == jnp.uint8:
        return found
    return jnp.where(jnp.isnan(values), jnp.nan, found).astype(image.dtype)


def _is_drawn(operation: jax.Array, names: tuple[str, ...]) -> jax.Array:
    return jnp.isin(operation, jnp.array(list(map(OPERATIONS.index, names)))).any()


def _find_table(
    levels: jax.Array, operation: jax.Array, strength: jax.Array
) -> jax.Array:
    """Returns one table [C, 256] for all operations on levels that are drawn.

    Each sees the levels as those before left them, of which the counts are enough.
    """
    same = jnp.broadcast_to(LEVEL, (levels.shape[-1], len(LEVEL)))
    counted = _is_drawn(operation, ("stretch", "equalize"))
    counts = jax.lax.cond(counted, count_levels, lambda _: same, levels)
    table = same
    for drawn, how in zip(operation, strength, strict=True):
        steps = [  # as in `TABLES`
            posterize(jnp.round(how).astype(jnp.int32)),
            solarize(255 * (1 - how)),
            stretch(counts),
            equalize(counts),
        ]
        chosen = [drawn == OPERATIONS.index(name) for name in TABLES]
        step = jnp.select(chosen, steps, same)
        table = jnp.take_along_axis(step, table, -1)
        counts = move_counts(counts, step)
    return table
