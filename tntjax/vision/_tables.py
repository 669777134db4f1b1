"""Tables of the 256 grey levels, [C, 256], from the levels' counts in an image."""

import jax
import jax.numpy as jnp
import numpy as np

LEVEL = np.arange(256, dtype=np.int32)


def count_levels(levels: jax.Array) -> jax.Array:
    """Counts the levels of each channel: [H, W, C] int32 to [C, 256] int32."""
    rows = levels.reshape(-1, levels.shape[-1]).T  # [C, H * W]
    return move_counts(jnp.ones_like(rows), rows)


def move_counts(counts: jax.Array, levels: jax.Array) -> jax.Array:
    """Adds [C, N] counts to the levels they belong to: [C, 256] int32."""
    zeros = jnp.zeros(len(LEVEL), jnp.int32)
    return jax.vmap(lambda count, to: zeros.at[to].add(count))(counts, levels)


def apply_table(table: jax.Array, levels: jax.Array) -> jax.Array:
    """Looks levels [H, W, C] up in tables [C, 256]."""
    return table[jnp.arange(len(table)), levels]


def stretch(counts: jax.Array) -> jax.Array:
    """Returns tables that make the darkest level 0 and the lightest 255.

    As Pillow's `ImageOps.autocontrast`; a channel of one level stays.
    """
    low, high = _outermost(counts)
    # in integers, where Pillow's floats are sometimes one level lower
    table = jnp.clip((LEVEL - low) * 255 // jnp.maximum(high - low, 1), 0, 255)
    return jnp.where(high > low, table, LEVEL)


def equalize(counts: jax.Array) -> jax.Array:
    """Returns tables after which all levels are as frequent, as far as can be.

    As Pillow's `ImageOps.equalize`; a channel of one level stays.
    """
    above = jnp.where(LEVEL == _outermost(counts)[1], 0, counts)
    step = above.sum(-1, keepdims=True) // 255
    below = jnp.cumsum(counts, -1) - counts
    table = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), 255)
    return jnp.where(step > 0, table, LEVEL).astype(jnp.int32)


def _outermost(counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the darkest and the lightest level that is there, [C, 1] each."""
    there = counts > 0
    low, last = (jnp.argmax(side, -1)[:, None] for side in (there, there[:, ::-1]))
    return low.astype(jnp.int32), (len(LEVEL) - 1 - last).astype(jnp.int32)


def posterize(dropped: jax.Array) -> jax.Array:
    """Returns the table [256] that drops so many of the lowest bits."""
    return (-1 << dropped) & LEVEL


def solarize(threshold: jax.Array) -> jax.Array:
    """Returns the table [256] that inverts levels from a threshold on."""
    return jnp.where(LEVEL < threshold, LEVEL, LEVEL[::-1])
