"""The peak signal-to-noise ratio."""

from typing import Any

import jax
import jax.numpy as jnp

from tntjax.vision._quality import MeterOfImages


class PSNRMeter(MeterOfImages):
    """Measures the peak signal-to-noise ratio, in decibels, the mean over images.

    Args:
      peak: the value of white: 1 of floats, 255 of levels.
      mean: what was measured.

    Raises:
      ValueError: if `peak` is not above 0 and finite.

    Example:
      >>> import numpy as np
      >>> PSNRMeter(255).add(np.full((1, 8, 8, 3), 100), np.full((1, 8, 8, 3), 110))
      PSNRMeter(decibels=28.1308, n=1)

    10 log10(peak² / mean squared error) of each image, infinite of equal ones, as
    scikit-image's `peak_signal_noise_ratio`.
    """

    def _measure(self, output: jax.Array, target: jax.Array) -> jax.Array:
        return _measure_noise(output, target, self.peak)

    def summary(self) -> dict[str, Any]:
        """Returns the value under the name of its unit."""
        return {"decibels": self.value()}


@jax.jit
def _measure_noise(output: jax.Array, target: jax.Array, peak: float) -> jax.Array:
    return -10 * jnp.log10(jnp.square((output - target) / peak).mean((1, 2, 3)))
