"""Mean and variance of features, for each utterance or for all."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax.speech._lengths import as_features, cut
from tntjax.text import length_mask


class FeatureMoments(NamedTuple):
    """Moments of features over all frames that were counted.

    Args:
      n: [] float32, the number of frames.
      mean: [D] float32.
      squares: [D] float32, the sum of squared distances from the mean.
    """

    n: jax.Array
    mean: jax.Array
    squares: jax.Array


def feature_moments(
    features: ArrayLike,
    lengths: ArrayLike | None = None,
    before: FeatureMoments | None = None,
) -> FeatureMoments:
    """Counts the frames of a batch in, for a normalization that is global.

    Args:
      features: [..., F, D] floating.
      lengths: [...] how many frames are real, None for all.
      before: the moments of the batches before, None for the first.

    Returns:
      The moments of all, merged without loss by Chan's rule.

    Example:
      >>> import numpy as np
      >>> first = feature_moments(np.array([[1.0], [3.0], [9.0]]), 2)
      >>> feature_moments(np.array([[5.0]]), before=first).mean.tolist()
      [3.0]
    """
    features, lengths = as_features(features, lengths, "feature_moments")
    *batch, frames, size = features.shape
    values = features.astype(jnp.float32).reshape(math.prod(batch) * frames, size)
    real = length_mask(lengths, frames).reshape(len(values), 1)
    n = lengths.sum().astype(jnp.float32)
    mean = jnp.sum(values, 0, where=real) / jnp.maximum(n, 1)
    squares = jnp.sum((values - mean) ** 2, 0, where=real)
    if before is None:
        return FeatureMoments(n, mean, squares)
    total = jnp.maximum(before.n + n, 1)
    step = mean - before.mean
    return FeatureMoments(
        before.n + n,
        before.mean + step * (n / total),
        before.squares + squares + step**2 * (before.n * n / total),
    )


def cmvn(
    features: ArrayLike,
    lengths: ArrayLike | None = None,
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
      variance: divide by the standard deviation as well, that of the population; one
        below 1e-5 counts as 1e-5.

    Returns:
      [..., F, D] of the dtype of the features, zeros past `lengths`.

    Example:
      >>> import numpy as np
      >>> cmvn(np.array([[[1.0], [3.0], [99.0]]]), [2])[0, :, 0].tolist()
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
        mean, squares = moments.mean, moments.squares / jnp.maximum(moments.n, 1)
    values = values - mean
    if variance:
        values *= jax.lax.rsqrt(jnp.maximum(squares, np.float32(1e-10)))
    return cut(values.astype(features.dtype), lengths, 1)
