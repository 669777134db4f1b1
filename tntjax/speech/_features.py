"""Changes of features over time: slopes, and mean 0 and variance 1."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_at_least, check_boolean
from tntjax.speech._lengths import Lengths, as_features, cut
from tntjax.text import length_mask


def deltas(
    features: ArrayLike, lengths: Lengths = None, *, width: int = 2
) -> jax.Array:
    """Computes the slope of features in time; apply it twice for the acceleration.

    Before the first and behind the last real frame stands that frame again.

    Args:
      features: [..., F, D] floating.
      lengths: [...] how many frames are real, None for all.
      width: N, how many frames on each side the regression is over.

    Returns:
      [..., F, D] of the dtype of the features, zeros past `lengths`.

    Example:
      >>> deltas(jnp.arange(6.0)[:, None] * 2)[2:4, 0].tolist()
      [2.0, 2.0]

    The HTK Book, 5.9; `torchaudio.functional.compute_deltas` with win_length 2 N + 1.
    """
    width = check_at_least("deltas: width", width, 1)
    features, lengths = as_features(features, lengths, "deltas")
    values = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    places = jnp.arange(features.shape[-2])
    last = jnp.maximum(lengths[..., None] - 1, 0)

    def shifted(step: int) -> jax.Array:
        near = jnp.clip(places + step, 0, last)  # [..., F]
        return jnp.take_along_axis(values, near[..., None], -2)

    slope = jnp.zeros_like(values)
    for step in range(1, width + 1):
        slope += step * (shifted(step) - shifted(-step))
    slope /= 2 * sum(step * step for step in range(1, width + 1))
    return cut(slope.astype(features.dtype), lengths)


class FeatureMoments(NamedTuple):
    """Moments of `n` frames: their mean [D], and sums of squared distances from it."""

    n: jax.Array
    mean: jax.Array
    squares: jax.Array


def feature_moments(
    features: ArrayLike, lengths: Lengths = None, before: FeatureMoments | None = None
) -> FeatureMoments:
    """Counts the frames of a batch in, for a normalization that is global.

    Args:
      features: [..., F, D] floating.
      lengths: [...] how many frames are real, None for all.
      before: the moments of the batches before, None for the first.

    Returns:
      The moments of all, merged without loss by Chan's rule.

    Example:
      >>> first = feature_moments(jnp.array([[1.0], [3.0], [9.0]]), 2)
      >>> feature_moments(jnp.array([[5.0]]), before=first).mean.tolist()
      [3.0]
    """
    features, lengths = as_features(features, lengths, "feature_moments")
    values, n = features.astype(jnp.float32), lengths.sum().astype(jnp.float32)
    real = length_mask(lengths, features.shape[-2])[..., None]  # [..., F, 1]
    axes = tuple(range(features.ndim - 1))
    mean = jnp.sum(values, axes) / jnp.maximum(n, 1)  # [D]
    squares = jnp.sum((values - mean) ** 2, axes, where=real)
    if before is None:
        return FeatureMoments(n, mean, squares)
    _check_moments(before, mean, "feature_moments: before")
    total = jnp.maximum(before.n + n, 1)
    step = mean - before.mean
    return FeatureMoments(
        before.n + n,
        before.mean + step * (n / total),
        before.squares + squares + step**2 * (before.n * n / total),
    )


def _check_moments(moments: Any, like: jax.Array, subject: str) -> None:
    bands = like.shape[-1:]
    known = isinstance(moments, FeatureMoments)
    known = known and jnp.shape(moments.mean) in ((), bands)
    needs = f"{subject} must be of feature_moments, of features [..., {bands[0]}]"
    require(known, needs, moments, error=TypeError)


def cmvn(
    features: ArrayLike,
    lengths: Lengths = None,
    *,
    moments: FeatureMoments | None = None,
    variance: bool = True,
) -> jax.Array:
    """Normalizes features to mean 0 and variance 1 over time.

    Args:
      features: [..., F, D] floating.
      lengths: [...] how many frames are real, None for all. Padding counts for nothing.
      moments: those of all training data, of `feature_moments`; None normalizes each
        utterance by its own frames.
      variance: divide by the standard deviation (of the population, 1e-5 at least) too.

    Returns:
      [..., F, D] of the dtype of the features, zeros past `lengths`.

    Example:
      >>> cmvn(jnp.array([[[1.0], [3.0], [99.0]]]), [2])[0, :, 0].tolist()
      [-1.0, 1.0, 0.0]
    """
    features, lengths = as_features(features, lengths, "cmvn")
    # Sums of many 16-bit floats would overflow.
    values = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    if moments is None:
        real = length_mask(lengths, features.shape[-2])[..., None]  # [..., F, 1]
        n = jnp.maximum(lengths, 1)[..., None, None]
        mean = jnp.sum(values, -2, keepdims=True) / n
        squares = jnp.sum((values - mean) ** 2, -2, keepdims=True, where=real) / n
    else:
        _check_moments(moments, values, "cmvn: moments")
        mean, squares = moments.mean, moments.squares / jnp.maximum(moments.n, 1)
    values = values - mean
    if check_boolean("cmvn: variance", variance):
        values *= jax.lax.rsqrt(jnp.maximum(squares, 1e-10))
    return cut(values.astype(features.dtype), lengths)
