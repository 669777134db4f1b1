"""Log-mel features as Whisper, Kaldi and librosa define them, and their cepstra."""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._check import check_choice, require
from tntjax._numbers import check_at_least, check_boolean, check_number
from tntjax.speech._lengths import Lengths, Padded, as_wave, check_sizes, cut
from tntjax.speech._mel import mel_filters
from tntjax.speech._stft import find_ends, make_frames, make_window
from tntjax.text import length_mask

LOGARITHMS = {
    "whisper": (1e-10, 1 / 4, 1.0),
    "decibel": (1e-10, 10.0, 0.0),
    "natural": (2.0**-23, math.log(10), 0.0),
}
"""The least power, and what its log10 is multiplied by and moved by at the end."""


@dataclasses.dataclass(frozen=True)
class MelSettings:
    """The settings of log-mel features; change one by `dataclasses.replace`.

    Args:
      sample_rate, scale, low, high: as of `mel_filters`.
      size, hop, pad, window: as of `stft`.
      num_mels: bands.
      fft_size: samples of the transform, None for `size`.
      gain: what samples from -1 to 1 are multiplied by.
      pre_emphasis: share of the sample before, within a frame; with a share above 0
        the frame's mean is taken off first.
      logarithm: "whisper" for (log10(max(x, 1e-10)) + 4) / 4, "decibel" for
        10 log10(max(x, 1e-10)), "natural" for log(max(x, 2**-23)).
      last_frame: keep the last frame.
      span: how far below its loudest value a signal's values are cut, in log10 of
        power; None for nowhere.
    """

    sample_rate: int = 16000
    size: int = 400
    hop: int = 160
    num_mels: int = 80
    fft_size: int | None = None
    pad: str = "reflect"
    window: str = "hann"
    scale: str = "slaney"
    low: float = 0.0
    high: float | None = None
    gain: float = 1.0
    pre_emphasis: float = 0.0
    logarithm: str = "natural"
    last_frame: bool = True
    span: float | None = None

    def __post_init__(self) -> None:
        sizes = {"size": self.size, "hop": self.hop, "num_mels": self.num_mels}
        check_sizes("MelSettings", 1, **sizes)
        if self.fft_size is not None:
            check_at_least("MelSettings: fft_size", self.fft_size, self.size)
        for name in ("gain", "pre_emphasis"):
            check_number(f"MelSettings: {name}", getattr(self, name))
        check_number("MelSettings: span", self.span or 0)
        check_boolean("MelSettings: last_frame", self.last_frame)
        check_choice("MelSettings", "logarithm", self.logarithm, tuple(LOGARITHMS))
        _ = self._filters  # which checks the others
        make_window(self.window, self.size)
        find_ends(self.pad, self.size, "MelSettings")

    @functools.cached_property
    def _filters(self) -> np.ndarray:  # [bins, M]
        bands = self.num_mels, self.fft_size or self.size, self.sample_rate
        return mel_filters(*bands, scale=self.scale, low=self.low, high=self.high)


MEL_PRESETS = {
    "whisper": MelSettings(logarithm="whisper", last_frame=False, span=8.0),
    "kaldi": MelSettings(
        fft_size=512,
        pad="none",
        window="povey",
        scale="kaldi",
        low=20.0,
        gain=32768.0,
        pre_emphasis=0.97,
    ),
    "librosa": MelSettings(
        22050, 2048, 512, 128, pad="zero", logarithm="decibel", span=8.0
    ),
}
"""The settings that go by a name."""


def log_mel(
    wave: ArrayLike, lengths: Lengths = None, *, preset: str | MelSettings = "whisper"
) -> Padded:
    """Computes log-mel features.

    * "whisper": 80 bands of 16 kHz, 25 ms frames each 10 ms, from about -1 to 1; the
      loudest value of each signal is that of its own samples. Whisper itself pads to
      30 s with zeros first: do so to feed its models.
    * "kaldi": `compute-fbank-feats` of 16 kHz with 80 bands and no dither (add
      `dither`), in natural logarithms of power of 16-bit samples.
    * "librosa": `power_to_db(melspectrogram(y))` of 22,050 Hz, in decibels.

    Args:
      wave: [..., T] samples from -1 to 1, or int16. Resample them to the rate first.
      lengths: [...] how many samples are real, None for all.
      preset: a name, or settings: `replace(MEL_PRESETS["kaldi"], num_mels=40)`.

    Returns:
      [..., F, M] float32, zeros past the frames; [...] the number of frames.

    Raises:
      TypeError: if samples or lengths are of a wrong dtype.
      ValueError: if shapes do not fit, or there is no such preset.

    Example:
      >>> features = log_mel(np.zeros((2, 16000), np.int16), [16000, 8000])
      >>> features.values.shape, features.lengths.tolist()
      ((2, 100, 80), [100, 50])

    Sources: `whisper/audio.py` of openai-whisper 20250625, Kaldi's
    `feat/feature-fbank.cc`, librosa 0.11.
    """
    return _map_log_mel(wave, lengths, preset, "log_mel")


def _map_log_mel(wave: Any, lengths: Any, preset: Any, name: str) -> Padded:
    settings = MEL_PRESETS.get(preset) if isinstance(preset, str) else preset
    needs = f"{name} needs preset 'whisper', 'kaldi' or 'librosa', or MelSettings"
    require(isinstance(settings, MelSettings), needs, preset)
    return _map_rows(*as_wave(wave, lengths, name), settings)


@functools.partial(jax.jit, static_argnums=2)
def _map_rows(wave: jax.Array, lengths: jax.Array, settings: MelSettings) -> Padded:
    compute = functools.partial(_compute, settings=settings)
    if not wave.size:
        return compute(wave, lengths)
    # The frames of one signal stay in the cache of a CPU: a third of the time.
    found = jax.lax.platform_dependent(
        wave.reshape(lengths.size, -1),
        lengths.reshape(lengths.size),
        cpu=lambda *rows: jax.lax.map(lambda row: compute(*row), rows),
        default=compute,
    )
    shape = lengths.shape
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), found)


def _compute(wave: jax.Array, lengths: jax.Array, settings: MelSettings) -> Padded:
    s = settings
    cuts, counts = make_frames(wave * s.gain, lengths, s.size, s.hop, s.pad, "log_mel")
    if not s.last_frame:
        cuts, counts = cuts[..., :-1, :], jnp.maximum(counts - 1, 0)
    if s.pre_emphasis:
        cuts = cuts - cuts.mean(-1, keepdims=True)
        before = jnp.concatenate([cuts[..., :1], cuts[..., :-1]], -1)
        cuts = cuts - s.pre_emphasis * before
    cuts = cuts * jnp.asarray(make_window(s.window, s.size), cuts.dtype)
    spectrum = jnp.fft.rfft(cuts, s.fft_size or s.size)  # [..., F, bins]
    energy = spectrum.real**2 + spectrum.imag**2  # whose gradient at 0 is 0
    filters = s._filters.astype(energy.dtype)
    # An accelerator would multiply in fewer bits, which logarithms of small sums show.
    mel = jnp.matmul(energy, filters, precision="highest")  # [..., F, M]
    least, factor, shift = LOGARITHMS[s.logarithm]
    logs = jnp.log10(jnp.maximum(mel, least))
    if s.span is not None:
        real = length_mask(counts, mel.shape[-2])[..., None]
        axes = {"axis": (-2, -1), "keepdims": True}  # of one signal
        loudest = jnp.max(logs, **axes, where=real, initial=-jnp.inf)
        logs = jnp.maximum(logs, loudest - s.span)
    return Padded(cut(factor * logs + shift, counts), counts)


def mfcc(
    wave: ArrayLike,
    lengths: Lengths = None,
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
      >>> mfcc(np.zeros((1, 16000), np.int16)).values.shape
      (1, 98, 13)

    Kaldi's has 23 bands (`replace(MEL_PRESETS["kaldi"], num_mels=23)`), lifter=22, and
    by default the energy in place of the first coefficient, which is not done here.
    librosa's has 20 coefficients and another form of lifter.
    """
    count = check_at_least("mfcc: num_coefficients", num_coefficients, 1)
    lifter = check_number("mfcc: lifter", lifter)
    features, counts = _map_log_mel(wave, lengths, preset, "mfcc")
    bands = features.shape[-1]
    needs = f"mfcc needs num_coefficients of {bands} bands at most"
    require(count <= bands, needs, count)
    order = np.arange(count)
    # the orthonormal DCT-II, [M, C]
    angles = np.pi / bands * (np.arange(bands)[:, None] + 0.5) * order
    basis = np.cos(angles) * np.sqrt(np.where(order == 0, 1, 2) / bands)
    if lifter:
        basis = basis * (1 + lifter / 2 * np.sin(np.pi * order / lifter))
    basis = jnp.asarray(basis, features.dtype)
    return Padded(jnp.matmul(features, basis, precision="highest"), counts)
