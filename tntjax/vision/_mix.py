"""Images mixed with their neighbours in the batch, and targets with them."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_number
from tntjax._struct import describe
from tntjax.vision._boxes import as_bools
from tntjax.vision._images import (
    compiled,
    draw_uniform,
    per_example,
    restore,
    split_each,
    widen,
)
from tntjax.vision._window import mark_windows


@compiled
def mixup(
    key: jax.Array,
    images: ArrayLike,
    targets: ArrayLike,
    alpha: float = 0.2,
    *,
    mask: ArrayLike | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Blends each image, and its target, with the one before it in the batch.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      targets: [B, K] floats: shares of the classes, such as `jax.nn.one_hot(y, K)`.
      alpha: the share of the image itself is drawn from Beta(alpha, alpha).
      mask: [B] bool; examples that are False only fill up, and mix with nothing.

    Returns:
      [B, H, W, C] of the same dtype, and [B, K] of that of the targets.

    Raises:
      TypeError: if `mask` is not bool.
      ValueError: if targets are class numbers, or `alpha` is not above 0 and finite.

    Example:
      >>> _, targets = mixup(jax.random.key(0), jnp.ones((2, 4, 4, 1)), jnp.eye(2))
      >>> targets.sum(-1).tolist()
      [1.0, 1.0]

    "mixup: Beyond Empirical Risk Minimization" (2017), with a share for each image and
    not one for the batch.
    """
    images = jnp.asarray(images)
    targets, kept = _check(targets, len(images), alpha, mask, "mixup")
    share = jnp.where(kept, _draw_shares(key, alpha), 1)  # [B]
    values, before = widen(images), jnp.roll(widen(images), 1, 0)
    mixed = before + per_example(share) * (values - before)
    mixed = jnp.where(per_example(kept), mixed, values)  # a masked one may be NaN
    return restore(mixed, images), _mix_targets(targets, share, kept)


@compiled
def cutmix(
    key: jax.Array,
    images: ArrayLike,
    targets: ArrayLike,
    alpha: float = 1.0,
    *,
    mask: ArrayLike | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Pastes a window of the image before it in the batch into each image.

    Args:
      key: a key, which is consumed, or [B] keys.
      images: [B, H, W, C] uint8 or floats.
      targets: [B, K] floats: shares of the classes, such as `jax.nn.one_hot(y, K)`.
      alpha: the share of the area that stays is drawn from Beta(alpha, alpha).
      mask: [B] bool; examples that are False only fill up, and mix with nothing.

    Returns:
      [B, H, W, C] of the same dtype, and [B, K] of that of the targets, mixed by the
      share of pixels that stayed.

    Raises:
      TypeError: if `mask` is not bool.
      ValueError: if targets are class numbers, or `alpha` is not above 0 and finite.

    Example:
      >>> _, targets = cutmix(jax.random.key(0), jnp.ones((2, 4, 4, 1)), jnp.eye(2))
      >>> targets.sum(-1).tolist()
      [1.0, 1.0]

    "CutMix" (2019), with a window for each image and not one for the batch. Windows
    have the ratio of the image, a middle that is uniform, and are cut at its edges.
    """
    images = jnp.asarray(images)
    targets, kept = _check(targets, len(images), alpha, mask, "cutmix")
    first, second = split_each(key)
    side = jnp.sqrt(1 - _draw_shares(first, alpha))[:, None]  # [B, 1], of the image's
    size = jnp.asarray(images.shape[2:0:-1], jnp.float32)  # [width, height]
    middle = draw_uniform(second, (2,)) * size  # [B, 2]
    corners = [middle + sign * side * size / 2 for sign in (-1, 1)]
    windows = jnp.round(jnp.clip(jnp.concatenate(corners, 1), 0, jnp.tile(size, 2)))
    pasted = mark_windows(windows, images) & per_example(kept)  # [B, H, W, 1]
    share = 1 - pasted.mean((1, 2, 3), dtype=jnp.float32)  # [B]
    mixed = jnp.where(pasted, jnp.roll(images, 1, 0), images)
    return mixed, _mix_targets(targets, share, kept)


def _check(
    targets: Any, count: int, alpha: float, mask: Any, name: str
) -> tuple[jax.Array, jax.Array]:
    """Returns the targets, and which examples have a neighbour to mix with, [B]."""
    targets = jnp.asarray(targets)
    floats = jnp.issubdtype(targets.dtype, jnp.floating)
    if targets.ndim != 2 or len(targets) != count or not floats:
        raise ValueError(
            f"{name} needs targets [{count}, K] of floats, shares of the classes,"
            f" got {describe(targets)}. Of class numbers: jax.nn.one_hot(targets, K)."
        )
    fits = 0 < check_number(f"{name}: alpha", alpha) < math.inf
    require(fits, f"{name} needs a finite alpha above 0", alpha)
    kept = jnp.ones(count, bool)
    if mask is not None:
        kept = as_bools(mask, kept.shape, f"{name}: mask")
    return targets, kept & jnp.roll(kept, 1)


def _draw_shares(keys: jax.Array, alpha: float) -> jax.Array:
    shape = (), jnp.float32
    return jax.vmap(lambda key: jax.random.beta(key, alpha, alpha, *shape))(keys)


def _mix_targets(targets: jax.Array, share: jax.Array, kept: jax.Array) -> jax.Array:
    share, before = share[:, None].astype(targets.dtype), jnp.roll(targets, 1, 0)
    return jnp.where(kept[:, None], before + share * (targets - before), targets)
