"""Mel filters: triangles that sum up a spectrum as the ear does."""

import math
import warnings

import numpy as np

from tntjax._check import check_choice, require
from tntjax._numbers import check_at_least, check_boolean, check_number


def mel_filters(
    num_mels: int,
    size: int,
    sample_rate: float,
    *,
    scale: str = "slaney",
    low: float = 0.0,
    high: float | None = None,
    normalized: bool | None = None,
) -> np.ndarray:
    """Makes the filters from the bins of a Fourier transform to mel bands.

    Args:
      num_mels: M, the number of bands.
      size: samples of the transform, which has `size // 2 + 1` bins.
      sample_rate: Hz.
      scale: "slaney" (linear below 1 kHz; librosa's and Whisper's), "htk"
        (2595 log10(1 + f / 700)), or "kaldi": HTK's with triangles that are straight in
        mel and not in Hz, and without the bin of the highest frequency.
      low: Hz, where the first band begins.
      high: Hz, where the last band ends, None for half the sample rate.
      normalized: give each band the same area; None does so for "slaney" alone.

    Returns:
      [size // 2 + 1, M] float32.

    Raises:
      ValueError: if the scale is unknown, or not 0 <= low < high <= sample_rate / 2.

    Warns:
      UserWarning: if no bin lies in a band, which would always be silent.

    Example:
      >>> mel_filters(80, 400, 16000).shape
      (201, 80)

    Slaney (1998); the HTK Book, 5.4; Kaldi's `feat/mel-computations.cc`.
    """
    num_mels = check_at_least("mel_filters: num_mels", num_mels, 1)
    size = check_at_least("mel_filters: size", size, 2)
    most = check_number("mel_filters: sample_rate", sample_rate) / 2
    low = check_number("mel_filters: low", low)
    high = most if high is None else check_number("mel_filters: high", high)
    needs = f"mel_filters needs 0 <= low < high <= {most:g} Hz, half the sample rate"
    require(0 <= low < high <= most < math.inf, needs, low, high)
    check_choice("mel_filters", "scale", scale, tuple(SCALES))
    if normalized is None:
        normalized = scale == "slaney"
    to_mel, to_hertz = SCALES[scale]
    bins = np.arange(size // 2 + 1) * sample_rate / size  # Hz
    mels = np.linspace(to_mel(np.array(low)), to_mel(np.array(high)), num_mels + 2)
    edges = to_hertz(mels)  # [M + 2] Hz
    is_kaldi = scale == "kaldi"
    places, corners = (to_mel(bins), mels) if is_kaldi else (bins, edges)
    steps = (places[:, None] - corners[:-1]) / np.diff(corners)  # [bins, M + 1]
    rise, fall = steps[:, :-1], 1 - steps[:, 1:]
    weights = np.maximum(0, np.minimum(rise, fall))  # [bins, M]
    if is_kaldi:
        weights[bins >= most] = 0
    if empty := int((weights.max(0) == 0).sum()):
        told = f"{empty} of {num_mels} mel bands have no bin of a transform of {size}"
        told += " samples. Take fewer bands, or more samples."
        warnings.warn(told, stacklevel=2)
    if check_boolean("mel_filters: normalized", normalized):
        weights *= 2 / (edges[2:] - edges[:-2])
    return weights.astype(np.float32)


LOG_STEP = np.log(6.4) / 27
"""Slaney's step above 1 kHz: 27 bands from 1 to 6.4 kHz."""


def _to_slaney(hertz: np.ndarray) -> np.ndarray:
    logs = 15 + np.log(np.maximum(hertz, 1000) / 1000) / LOG_STEP
    return np.where(hertz < 1000, hertz * 3 / 200, logs)


def _from_slaney(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(LOG_STEP * (mel - 15)))


HTK = (
    lambda hertz: 1127 * np.log1p(hertz / 700),
    lambda mel: 700 * np.expm1(mel / 1127),
)
SCALES = {"slaney": (_to_slaney, _from_slaney), "htk": HTK, "kaldi": HTK}
"""From Hz to mel, and back."""
