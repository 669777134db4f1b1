"""An image turned, sheared and moved by one affine map, or sharpened."""

import jax
import jax.numpy as jnp

from tntjax.vision._images import widen


def warp(image: jax.Array, affine: jax.Array, fill: jax.Array) -> jax.Array:
    """Reads each new pixel of [H, W, C] from where a map [3, 3] leads to, linearly.

    It leads from new places to old ones, both (x, y, 1) about the middle; `fill` is
    outside. Returned are float32 or float64.
    """
    height, width, channels = image.shape
    x = jnp.arange(width) - (width - 1) / 2  # [W]
    y = jnp.arange(height)[:, None] - (height - 1) / 2  # [H, 1]
    (a, b, c), (d, e, f) = affine[:2]
    across = jnp.clip(a * x + b * y + c + (width - 1) / 2, -1, width)  # [H, W]
    down = jnp.clip(d * x + e * y + f + (height - 1) / 2, -1, height)
    left = jnp.minimum(jnp.floor(across), width - 1)
    top = jnp.minimum(jnp.floor(down), height - 1)
    around = jnp.broadcast_to(fill, (height + 2, width + 2, channels))
    flat = around.at[1:-1, 1:-1].set(image).reshape(-1, channels)
    first = ((top + 1) * (width + 2) + left + 1).astype(jnp.int32)  # [H, W]
    total = jnp.zeros((), widen(image).dtype)
    for right in (0, 1):
        for below in (0, 1):
            weight = 1 - jnp.abs(across - left - right)
            weight = weight * (1 - jnp.abs(down - top - below))
            place = first + below * (width + 2) + right
            pixel = widen(flat.at[place].get(mode="promise_in_bounds"))  # [H, W, C]
            total = total + weight[..., None] * pixel
    return total


def affine_map(moves: jax.Array) -> jax.Array:
    """Returns the map [3, 3] of two shears, two moves and degrees of a turn, [5]."""
    shear_x, shear_y, move_x, move_y, degrees = moves
    sine, cosine = jnp.sin(jnp.deg2rad(degrees)), jnp.cos(jnp.deg2rad(degrees))
    rows = [
        [cosine, sine + shear_x, move_x],
        [shear_y - sine, cosine, move_y],
        [0.0, 0.0, 1.0],
    ]
    return jnp.array(rows, jnp.float32)


def sharpen(values: jax.Array, factor: jax.Array) -> jax.Array:
    """Moves [H, W, C] away from their smooth copy by a factor, 1 for nothing.

    As Pillow's `ImageEnhance.Sharpness`: the middle of 3 by 3 pixels weighs 5 of 13,
    and the outermost pixels stay.
    """
    if min(values.shape[:2]) < 3:
        return values
    rows = values[:-2] + values[1:-1] + values[2:]
    sums = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    inner = values[1:-1, 1:-1]
    change = (factor - 1) * (inner - (sums + 4 * inner) / 13)
    return values + jnp.pad(change, ((1, 1), (1, 1), (0, 0)))
