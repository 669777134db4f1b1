"""Images turned, sheared and moved: one affine map for each."""

import jax
import jax.numpy as jnp

from tntjax.vision._images import per_example, widen


def warp(images: jax.Array, maps: jax.Array, fill: jax.Array) -> jax.Array:
    """Reads each new pixel from the place that an affine map leads to, linearly.

    `maps` [B, 3, 3] lead from new places to old ones, both (x, y, 1) about the middle;
    `fill` is outside. Returned are [B, H, W, C] float32 or float64.
    """
    batch, height, width, channels = images.shape
    middle = jnp.asarray([(width - 1) / 2, (height - 1) / 2], jnp.float32)
    x, y = jnp.arange(width) - middle[0], jnp.arange(height) - middle[1]  # [W], [H]

    def place(row: int) -> jax.Array:  # [B, H, W]
        a, b, c = (maps[:, row, column, None, None] for column in range(3))
        return a * x + b * y[:, None] + c + middle[row]

    flat = images.reshape(batch, height * width, channels)
    across, down = place(0), place(1)
    left, top = jnp.floor(across), jnp.floor(down)
    total = jnp.zeros((), widen(images).dtype)
    for right in (0, 1):
        for below in (0, 1):
            column, row = left + right, top + below
            weight = (1 - jnp.abs(across - column)) * (1 - jnp.abs(down - row))
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            index = jnp.where(inside, row * width + column, 0).astype(jnp.int32)
            index = index.reshape(batch, -1, 1)
            pixel = jnp.take_along_axis(flat, index, 1)
            pixel = widen(pixel).reshape(images.shape)
            pixel = jnp.where(inside[..., None], pixel, fill)
            total = total + weight[..., None] * pixel
    return total


def affine_maps(
    shear_x: jax.Array,
    shear_y: jax.Array,
    move_x: jax.Array,
    move_y: jax.Array,
    degrees: jax.Array,
) -> jax.Array:
    """Returns maps [B, 3, 3] that shear, move and turn, given [B] of each."""
    angle = degrees * (jnp.pi / 180)
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    zero, one = jnp.zeros_like(angle), jnp.ones_like(angle)
    rows = [
        [cosine, sine + shear_x, move_x],
        [shear_y - sine, cosine, move_y],
        [zero, zero, one],
    ]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def sharpen(values: jax.Array, factor: jax.Array) -> jax.Array:
    """Moves [B, H, W, C] away from their smooth copies by [B] factors, 1 for nothing.

    As Pillow's `ImageEnhance.Sharpness`: the middle of 3 by 3 pixels weighs 5 of 13,
    and the outermost pixels stay.
    """
    height, width = values.shape[1:3]
    if min(height, width) < 3:
        return values
    sums = values
    for axis, length in ((1, height), (2, width)):
        parts = [
            jax.lax.slice_in_dim(sums, at, at + length - 2, axis=axis)
            for at in range(3)
        ]
        sums = parts[0] + parts[1] + parts[2]
    inner = values[:, 1:-1, 1:-1]
    change = per_example(factor - 1) * (inner - (sums + 4 * inner) / 13)
    return values + jnp.pad(change, ((0, 0), (1, 1), (1, 1), (0, 0)))
