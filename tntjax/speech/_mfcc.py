"""Mel-frequency cepstral coefficients, and how features change in time."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least, check_number
from tntjax.speech._lengths import Padded, as_features, as_wave, cut
from tntjax.speech._log_mel import MelSettings, find_settings, make_log_mel


def mfcc(
    wave: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    num_coefficients: int = 13,
    preset: str | MelSettings = "kaldi",
    lifter: float = 0.0,
) -> Padded:
    """Computes mel-frequency cepstral coefficients: a cosine transform of log-mel.

    Args:
      wave: [..., T] samples from -1 to 1, or int16.
      lengths: [...] how many samples are real, None for all.
      num_coefficients: C, how many to keep, the one that sums all bands included.
      preset: as of `log_mel`.
      lifter: L of the factor 1 + L / 2 sin(pi c / L) for coefficient c; 0 for none.

    Returns:
      [..., F, C] float32, zeros past the frames; [...] the number of frames.

    Raises:
      ValueError: if more coefficients are asked for than there are bands.

    Example:
      >>> import numpy as np
      >>> mfcc(np.zeros((1, 16000), np.int16)).values.shape
      (1, 98, 13)

    Kaldi's `compute-mfcc-feats` has 23 bands (`replace(MEL_PRESETS["kaldi"],
    num_mels=23)`), lifter=22, and by default the energy in place of the first
    coefficient, which is not done here. librosa's has 20 coefficients and
    another form of lifter.
    """
    count = check_at_least("mfcc: num_coefficients", num_coefficients, 1)
    lifter = check_number("mfcc: lifter", lifter)
    settings = find_settings(preset, "mfcc")
    bands = settings.num_mels
    if count > bands:
        raise ValueError(
            f"mfcc needs num_coefficients of {bands} bands at most, got {count}."
        )
    features, counts = make_log_mel(*as_wave(wave, lengths, "mfcc"), settings)
    order = np.arange(count)
    # the orthonormal DCT-II, [M, C]
    angles = np.pi / bands * (np.arange(bands)[:, None] + 0.5) * order
    basis = np.cos(angles) * np.sqrt(np.where(order == 0, 1, 2) / bands)
    if lifter:
        basis = basis * (1 + lifter / 2 * np.sin(np.pi * order / lifter))
    basis = jnp.asarray(basis, features.dtype)
    return Padded(jnp.matmul(features, basis, precision="highest"), counts)


def deltas(
    features: ArrayLike, lengths: ArrayLike | None = None, *, width: int = 2
) -> jax.Array:
    """Computes the slope of features in time, by regression over near frames.

    Apply it twice for the acceleration. Before the first and behind the last real frame
    stands that frame again.

    Args:
      features: [..., F, D] floating.
      lengths: [...] how many frames are real, None for all.
      width: N, how many frames on each side.

    Returns:
      [..., F, D] of the dtype of the features, zeros past `lengths`.

    Example:
      >>> import numpy as np
      >>> deltas(np.arange(6.0)[:, None] * 2)[2:4, 0].tolist()
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
    return cut(slope.astype(features.dtype), lengths, 1)
