"""Structural similarity."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._check import check_choice, require
from tntjax._struct import static
from tntjax.vision._quality import MeterOfImages


class SSIMMeter(MeterOfImages):
    """Measures structural similarity, the mean over pixels, channels and images.

    Args:
      peak: the value of white: 1 of floats, 255 of levels.
      mean: what was measured.
      window: "gaussian", 11 pixels with a deviation of 1.5, as in the paper; or
        "uniform", 7 pixels and covariances of samples, scikit-image's default.

    Raises:
      ValueError: if `peak` is not above 0 and finite, or `window` is another.

    Example:
      >>> import numpy as np
      >>> image = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
      >>> SSIMMeter().add(image, image)
      SSIMMeter(ssim=1, n=1)

    "Image Quality Assessment" (2004), of pixels whose window is inside the image, as
    scikit-image's `structural_similarity`.
    """

    window: str = static(default="gaussian", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("SSIMMeter", "window", self.window, ("gaussian", "uniform"))

    def _measure(self, output: jax.Array, target: jax.Array) -> jax.Array:
        weights, scale = np.ones(7), 49 / 48
        if self.window == "gaussian":
            weights, scale = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2), 1.0
        weights = weights / weights.sum()
        name, side = f"SSIMMeter(window={self.window!r})", len(weights)
        needs = f"{name} needs images of {side} by {side} pixels or more"
        require(min(output.shape[1:3]) >= side, needs, list(output.shape))
        return _ssim(output, target, self.peak, weights, scale)

    def summary(self) -> dict[str, Any]:
        """Returns the value under the name of what it is."""
        return {"ssim": self.value()}


@jax.jit
def _ssim(
    x: jax.Array, y: jax.Array, peak: float, weights: jax.Array, scale: float
) -> jax.Array:
    # About their mean, where squares are smaller, and lose less in differences.
    middle = (x + y).mean((1, 2), keepdims=True) / (2 * peak)  # [B, 1, 1, C]
    x, y = x / peak - middle, y / peak - middle

    def average(values: jax.Array) -> jax.Array:
        return _slide(weights, _slide(weights, values, 1), 2)

    mean_x, mean_y = average(x), average(y)
    variances = scale * (average(x * x + y * y) - mean_x**2 - mean_y**2)
    covariance = scale * (average(x * y) - mean_x * mean_y)
    mean_x, mean_y = mean_x + middle, mean_y + middle
    light = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return (light * structure).mean((1, 2, 3))  # [B]


def _slide(weights: jax.Array, values: jax.Array, axis: int) -> jax.Array:
    """Sums up weighted windows along an axis of [B, H, W, C], those that are inside."""
    length = values.shape[axis] - len(weights) + 1

    # One weight at a time: all in one expression took more memory, and longer.
    def add(at: ArrayLike, total: jax.Array) -> jax.Array:
        part = jax.lax.dynamic_slice_in_dim(values, at, length, axis)
        return total + weights[at].astype(values.dtype) * part

    return jax.lax.fori_loop(1, len(weights), add, add(0, jnp.float32(0)))
