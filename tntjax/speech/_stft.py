"""Frames of signals, their Fourier transform, and its inverse."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._check import check_choice, require
from tntjax.speech._lengths import (
    Lengths,
    Padded,
    as_features,
    as_wave,
    check_scalar,
    check_sizes,
    cut,
    frame_lengths,
    map_rows,
)


def frames(
    wave: ArrayLike, lengths: Lengths = None, *, size: int, hop: int, pad: str = "none"
) -> Padded:
    """Cuts signals into frames that overlap.

    Args:
      wave: [..., T] samples, floats or int16 (which become floats from -1 to 1).
      lengths: [...] how many samples are real, None for all.
      size: samples of a frame.
      hop: samples from one frame to the next.
      pad: "none" for frames inside the signal; "reflect" or "zero" for frames around
        each `hop`-th sample, with the signal mirrored at its own ends, or zeros there.

    Returns:
      [..., F, size] float32 or wider, zeros in frames past `lengths`; and [...] the
      number of frames, as `frame_lengths` counts them.

    Raises:
      TypeError: if samples or lengths are of a wrong dtype.
      ValueError: if shapes do not fit, or `size`, `hop` or `pad` is wrong.

    Example:
      >>> frames(np.arange(5.0), size=3, hop=2).values.tolist()
      [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]
    """
    return make_frames(*as_wave(wave, lengths, "frames"), size, hop, pad, "frames")


def make_frames(
    wave: jax.Array, lengths: jax.Array, size: int, hop: int, pad: str, name: str
) -> Padded:
    """Cuts signals that were checked into frames."""
    size, hop = check_sizes(name, 1, size=size, hop=hop)
    if ends := find_ends(pad, size, name):
        wave = _pad_ends(wave, lengths, ends, pad)
    counts = frame_lengths(lengths, size=size, hop=hop, center=pad != "none")
    most = max(0, 1 + (wave.shape[-1] - size) // hop)
    return Padded(cut(split_frames(wave, most, size, hop), counts), counts)


def find_ends(pad: str, size: int, name: str) -> int:
    """Returns how many samples are put at each end of a signal."""
    check_choice(name, "pad", pad, ("none", "reflect", "zero"))
    return 0 if pad == "none" else size // 2


def split_frames(wave: jax.Array, count: int, size: int, hop: int) -> jax.Array:
    """Cuts [..., T] into [..., count, size], with zeros where samples lack."""
    # Copying whole blocks of `hop` samples is faster than a gather.
    parts = -(-size // hop)
    blocks = split_blocks(wave, count + parts - 1, hop)
    shifted = [blocks[..., part : part + count, :] for part in range(parts)]
    return jnp.concatenate(shifted, -1)[..., :size]  # [..., count, size]


def split_blocks(wave: jax.Array, count: int, size: int) -> jax.Array:
    """Cuts [..., T] into [..., count, size] side by side, with zeros at the end."""
    wave = wave[..., : count * size]
    missing = count * size - wave.shape[-1]
    wave = jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(0, missing)])
    return wave.reshape(*wave.shape[:-1], count, size)


def _join_frames(frames: jax.Array, hop: int) -> jax.Array:
    """Adds up [..., F, size] where frames overlap: [..., (F - 1) * hop + size]."""
    *batch, count, size = frames.shape
    parts = -(-size // hop)
    sides = [(0, 0)] * len(batch)
    frames = jnp.pad(frames, [*sides, (0, 0), (0, parts * hop - size)])
    blocks = frames.reshape(*batch, count, parts, hop)
    total = jnp.zeros((*batch, count + parts - 1, hop), frames.dtype)
    for part in range(parts):
        total = total.at[..., part : part + count, :].add(blocks[..., part, :])
    total = total.reshape(*batch, (count + parts - 1) * hop)
    return total[..., : max(0, (count - 1) * hop + size)]


def _pad_ends(wave: jax.Array, lengths: jax.Array, pad: int, mode: str) -> jax.Array:
    """Puts `pad` samples before [..., T] and behind the real end of each row."""
    padded = jnp.pad(wave, [(0, 0)] * lengths.ndim + [(pad, pad)])
    if mode == "zero" or not wave.size:
        return padded
    ends, steps = lengths[..., None], jnp.arange(pad)
    last = jnp.maximum(ends - 1, 0)
    period = jnp.maximum(2 * last, 1)

    def mirror(places: jax.Array) -> jax.Array:  # as often as it takes
        places = places % period
        places = jnp.minimum(jnp.minimum(places, period - places), last)
        return jnp.take_along_axis(wave, places, -1)  # [..., pad]

    # All rows have the same place of their head, and each a place of its tail.
    padded = padded.at[..., :pad].set(mirror(steps - pad))
    put = map_rows(jax.lax.dynamic_update_slice, lengths.ndim)
    return put(padded, mirror(ends + steps), ends + pad)


def pre_emphasis(
    wave: ArrayLike, lengths: Lengths = None, *, coefficient: float = 0.97
) -> jax.Array:
    """Lifts high frequencies: each sample less a share of the one before.

    Args:
      wave: [..., T] samples, floats or int16.
      lengths: [...] how many samples are real, None for all.
      coefficient: the share; the first sample stays.

    Returns:
      [..., T] float32 or wider, zeros past `lengths`.

    Example:
      >>> pre_emphasis([1.0, 1.0, 2.0], coefficient=0.5).tolist()
      [1.0, 0.5, 1.5]
    """
    wave, lengths = as_wave(wave, lengths, "pre_emphasis")
    check_scalar("pre_emphasis: coefficient", coefficient)
    before = jnp.pad(wave, [(0, 0)] * (wave.ndim - 1) + [(1, 0)])[..., :-1]
    share = jnp.asarray(coefficient, wave.dtype)
    return cut(wave - share * before, lengths)


def stft(
    wave: ArrayLike,
    lengths: Lengths = None,
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
      pad: as of `frames`.
      window: "hann" or "hamming" (periodic), "povey" (Kaldi's) or "ones".

    Returns:
      [..., F, size // 2 + 1] complex64, zeros past the frames; [...] their number.

    Raises:
      ValueError: if shapes do not fit, or `pad` or `window` is unknown.

    Example:
      >>> spectrum = stft(np.ones((2, 1600), np.float32), [1600, 320])
      >>> spectrum.values.shape, spectrum.lengths.tolist()
      ((2, 11, 201), [11, 3])

    Its values are those of `librosa.stft` and `torch.stft` (center=True), transposed.
    """
    cuts, counts = make_frames(*as_wave(wave, lengths, "stft"), size, hop, pad, "stft")
    shape = jnp.asarray(make_window(window, size), cuts.dtype)
    return Padded(jnp.fft.rfft(cuts * shape), counts)


def istft(
    spectrum: ArrayLike,
    lengths: Lengths = None,
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
      pad: as of `stft`, whose ends are cut off.
      window: as of `stft`.

    Returns:
      [..., T] float32, `(F - 1) * hop` samples for an even `size` if the signal was
      padded, else `(F - 1) * hop + size`; [...] the number of samples.

    Raises:
      TypeError: if the spectrum is not complex.
      ValueError: if it is of another `size`, or windows leave samples out.

    Example:
      >>> wave = np.sin(np.arange(1600, dtype=np.float32))
      >>> bool(np.allclose(istft(stft(wave).values).values, wave, atol=1e-5))
      True

    Griffin and Lim (1984): least squares, as in librosa and torch.
    """
    size, hop = check_sizes("istft", 1, size=size, hop=hop)
    ends = find_ends(pad, size, "istft")
    spectrum, lengths = as_features(spectrum, lengths, "istft", jnp.complexfloating)
    bins = size // 2 + 1
    needs = f"istft needs a spectrum [..., F, {bins}] of frames of {size}"
    require(spectrum.shape[-1] == bins, needs, spectrum)
    shape = make_window(window, size)
    if np.pad(shape**2, (0, -size % hop)).reshape(-1, hop).sum(0).min() < 1e-11:
        raise ValueError(
            f"istft needs windows that overlap: of window {window!r} with size {size}"
            f" and hop {hop}, some samples have no weight. Take a smaller hop."
        )
    cuts = jnp.fft.irfft(spectrum, size)  # [..., F, size]
    shape = jnp.asarray(shape, cuts.dtype)
    wave = _join_frames(cuts * shape, hop)
    weight = cut(jnp.broadcast_to(shape**2, cuts.shape), lengths)
    weight = _join_frames(weight, hop)
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
    check_choice("stft", "window", name, tuple(windows))
    return windows[name]
