"""Tables of grey levels, 256 for each channel of an image, from its histogram."""

import jax
import jax.numpy as jnp

LEVELS = 256


def count_levels(levels: jax.Array) -> jax.Array:
    """Counts the levels of each channel: [B, H, W, C] int32 to [B, C, 256] int32."""
    batch, _, _, channels = levels.shape
    counts = jnp.zeros(batch * channels * LEVELS, jnp.int32)
    return counts.at[_find_cells(levels)].add(1).reshape(batch, channels, LEVELS)


def _find_cells(levels: jax.Array) -> jax.Array:
    """Returns the place of each level in flat tables [B, C, 256]."""
    batch, _, _, channels = levels.shape
    row = jnp.arange(batch * channels).reshape(batch, 1, 1, channels)
    return row * LEVELS + levels


def move_counts(counts: jax.Array, table: jax.Array) -> jax.Array:
    """Returns the counts [B, C, 256] of what a table makes of the levels."""
    move = jax.vmap(jax.vmap(lambda count, to: jnp.zeros_like(count).at[to].add(count)))
    return move(counts, table)


def apply_table(table: jax.Array, levels: jax.Array) -> jax.Array:
    """Looks levels [B, H, W, C] up in tables [B, C, 256]."""
    return table.reshape(-1)[_find_cells(levels)]


def stretch(counts: jax.Array) -> jax.Array:
    """Returns tables that do `ImageOps.autocontrast`; a channel of one level stays."""
    level = jnp.arange(LEVELS, dtype=jnp.int32)
    low = jnp.argmax(counts > 0, -1)[..., None].astype(jnp.int32)  # [B, C, 1]
    high = 255 - jnp.argmax(counts[..., ::-1] > 0, -1)[..., None].astype(jnp.int32)
    # in integers, where Pillow's floats are sometimes one level lower
    span = jnp.maximum(high - low, 1)
    table = jnp.clip((level - low) * 255 // span, 0, 255)
    return jnp.where(high > low, table, level)


def equalize(counts: jax.Array) -> jax.Array:
    """Returns tables that do `ImageOps.equalize`; a channel of one level stays."""
    level = jnp.arange(LEVELS, dtype=jnp.int32)
    last = 255 - jnp.argmax(counts[..., ::-1] > 0, -1)[..., None]  # [B, C, 1]
    above = jnp.where(level == last, 0, counts).sum(-1, keepdims=True)
    step = above // 255
    below = jnp.cumsum(counts, -1) - counts
    table = jnp.minimum((step // 2 + below) // jnp.maximum(step, 1), 255)
    return jnp.where(step > 0, table, level).astype(jnp.int32)


def posterize(bits: jax.Array) -> jax.Array:
    """Returns tables [B, 256] that keep so many of the upper bits, [B] int32."""
    level = jnp.arange(LEVELS, dtype=jnp.int32)
    lost = (8 - bits)[:, None]
    return (level >> lost) << lost


def solarize(threshold: jax.Array) -> jax.Array:
    """Returns tables [B, 256] that invert levels from thresholds [B] on."""
    level = jnp.arange(LEVELS, dtype=jnp.int32)
    return jnp.where(level < threshold[:, None], level, 255 - level)
