"""The short-time Fourier transform and its inverse."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import describe
from tntjax.speech._frames import find_ends, join_frames, make_frames
from tntjax.speech._lengths import Padded, as_features, as_wave, check_sizes, cut


def stft(
    wave: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    size: int = 400,
    hop: int = 160,
    pad: str = "reflect",
    window: str = "hann",
) -> Padded:
    """Computes the short-time Fourier transform.

    Args:
      wave: [..., T] samples, floats or int16 (which become floats from -1 to 1).
      lengths: [...] how many samples are real, None for all.
      size: samples of a frame, and of the transform.
      hop: samples from one frame to the next.
      pad: "reflect" or "zero" for frames around each `hop`-th sample, "none" for frames
        inside the signal; see `frames`.
      window: "hann" or "hamming" (periodic), "povey" (Kaldi's) or "ones".

    Returns:
      [..., F, size // 2 + 1] complex64, zeros past the frames; [...] their number.

    Raises:
      ValueError: if shapes do not fit, or `pad` or `window` is unknown.

    Example:
      >>> import numpy as np
      >>> spectrum = stft(np.ones((2, 1600), np.float32), [1600, 320])
      >>> spectrum.values.shape, spectrum.lengths.tolist()
      ((2, 11, 201), [11, 3])

    Its values are those of `librosa.stft` and `torch.stft` (center=True), transposed.
    """
    wave, lengths = as_wave(wave, lengths, "stft")
    cuts, counts = make_frames(wave, lengths, size, hop, pad, "stft")
    shape = jnp.asarray(make_window(window, size), cuts.dtype)
    return Padded(jnp.fft.rfft(cuts * shape), counts)


def istft(
    spectrum: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    size: int = 400,
    hop: int = 160,
    pad: str = "reflect",
    window: str = "hann",
) -> Padded:
    """Makes the signal whose short-time Fourier transform is nearest to a given one.

    Args:
      spectrum: [..., F, size // 2 + 1] complex, of `stft` with the same arguments.
      lengths: [...] how many frames are real, None for all.
      size: samples of a frame.
      hop: samples from one frame to the next.
      pad: as of `stft`: the ends that it put there are cut off.
      window: as of `stft`.

    Returns:
      [..., T] float32, `(F - 1) * hop` samples for an even `size` if the signal was
      padded, else `(F - 1) * hop + size`; [...] the number of samples.

    Raises:
      TypeError: if the spectrum is not complex.
      ValueError: if it is of another `size`, or windows leave samples out.

    Example:
      >>> import numpy as np
      >>> wave = np.sin(np.arange(1600, dtype=np.float32))
      >>> bool(np.allclose(istft(stft(wave).values).values, wave, atol=1e-5))
      True

    Griffin and Lim, Signal estimation from modified short-time Fourier transform
    (1984): least squares, as in librosa and torch.
    """
    size, hop = check_sizes("istft", 1, size=size, hop=hop)
    ends = find_ends(pad, size, "istft")
    spectrum, lengths = as_features(spectrum, lengths, "istft", jnp.complexfloating)
    if spectrum.shape[-1] != size // 2 + 1:
        raise ValueError(
            f"istft needs a spectrum [..., F, {size // 2 + 1}] of frames of {size},"
            f" got {describe(spectrum)}."
        )
    squares = make_window(window, size) ** 2
    heard = np.pad(squares, (0, -size % hop)).reshape(-1, hop).sum(0)
    if heard.min() < 1e-11:
        raise ValueError(
            f"istft needs windows that overlap: of window {window!r} with size {size}"
            f" and hop {hop}, some samples have no weight. Take a smaller hop."
        )
    cuts = jnp.fft.irfft(spectrum, size)  # [..., F, size]
    shape = jnp.asarray(make_window(window, size), cuts.dtype)
    wave = join_frames(cuts * shape, hop)
    weight = cut(jnp.broadcast_to(shape**2, cuts.shape), lengths)
    weight = join_frames(weight, hop)
    wave = jnp.where(weight > 1e-11, wave / jnp.maximum(weight, 1e-11), 0)
    wave = wave[..., ends : max(ends, wave.shape[-1] - ends)]
    total = jnp.maximum((lengths - 1) * hop + size - 2 * ends, 0) * (lengths > 0)
    return Padded(cut(wave, total), total)


def make_window(name: str, size: int) -> np.ndarray:
    """Makes a window [size] float64."""
    turns = 2 * np.pi * np.arange(size)
    windows = {
        "hann": 0.5 - 0.5 * np.cos(turns / size),
        "hamming": 0.54 - 0.46 * np.cos(turns / size),
        # symmetric, as all of Kaldi's
        "povey": (0.5 - 0.5 * np.cos(turns / max(1, size - 1))) ** 0.85,
        "ones": np.ones(size),
    }
    if not isinstance(name, str) or name not in windows:
        raise ValueError(
            "The window must be 'hann', 'hamming', 'povey' or 'ones', got"
            f" {describe(name)}."
        )
    return windows[name]
