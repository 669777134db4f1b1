"""Audio files: samples, and headers without samples."""

import os
from typing import NamedTuple

import numpy as np

from tntjax._numbers import check_at_least, check_integer
from tntjax._optional import import_optional
from tntjax.speech._sphere import MAGIC, parse_sphere_header, read_sphere


class Audio(NamedTuple):
    """A recording.

    Args:
      wave: [T] samples, or [T, C] of more than one channel.
      sample_rate: Hz.
    """

    wave: np.ndarray
    sample_rate: int


class AudioHeader(NamedTuple):
    """The header of an audio file.

    Args:
      samples: T, the number of samples of a channel.
      sample_rate: Hz.
    """

    samples: int
    sample_rate: int


def read_audio(
    path: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    start: int = 0,
    frames: int | None = None,
    dtype: str = "float32",
) -> Audio:
    """Reads an audio file: FLAC, WAV, OGG, MP3 or SPHERE.

    Args:
      path: the file. SPHERE needs NumPy alone, the others the extra `speech`.
      sample_rate: Hz to resample to, by soxr's high quality; None leaves the file's.
      start: where to begin, in samples of the file.
      frames: how many samples to read at most, None for all.
      dtype: "float32" for samples from -1 to 1, or "int16" for half the bytes.

    Returns:
      The samples and their rate.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: if the extra `speech` is not installed and needed.
      ValueError: if the file cannot be decoded, or an argument is wrong.
    """
    where = os.fspath(path)
    if dtype not in ("float32", "int16"):
        raise ValueError(f"read_audio needs dtype 'float32' or 'int16', got {dtype!r}.")
    start = check_at_least("read_audio: start", start, 0)
    if frames is not None:
        frames = check_at_least("read_audio: frames", frames, 0)
    wave, rate = _decode(where, start, frames, dtype)
    if sample_rate is None or check_integer(sample_rate, "sample_rate") == rate:
        return Audio(wave, rate)
    soxr = import_optional("soxr", "read_audio(sample_rate=...)", "speech")
    return Audio(soxr.resample(wave, rate, sample_rate), int(sample_rate))


def _decode(where: str, start: int, frames: int | None, dtype: str) -> Audio:
    if _read_head(where).startswith(MAGIC):  # libsndfile trusts a file's length
        samples, header = read_sphere(where)
        samples = samples[start : None if frames is None else start + frames]
        if dtype == "float32":
            samples = samples.astype(np.float32) / 32768
        return Audio(samples, header["sample_rate"])
    soundfile = import_optional("soundfile", "read_audio", "speech")
    stop = None if frames is None else start + frames
    try:
        with soundfile.SoundFile(where) as file:
            file.seek(min(start, file.frames))
            most = file.frames - start if stop is None else min(stop, file.frames)
            count = most if stop is None else most - start
            wave = file.read(max(0, count), dtype=dtype)
            return Audio(wave, file.samplerate)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{where} cannot be decoded: {error}") from error


def read_audio_header(path: str | os.PathLike[str]) -> AudioHeader:
    """Reads how long an audio file is, without decoding it.

    Args:
      path: the file. FLAC and SPHERE need nothing, others the extra `speech`.

    Returns:
      The number of samples and their rate.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not an audio file.
    """
    where = os.fspath(path)
    head = _read_head(where)
    if head.startswith(MAGIC):
        header, _ = parse_sphere_header(head, where)
        return AudioHeader(header["sample_count"], header["sample_rate"])
    if head[:4] == b"fLaC" and head[4] & 127 == 0:  # STREAMINFO comes first
        # 20 bits of rate, 3 of channels, 5 of bits, 36 of samples; 0 is unknown
        word = int.from_bytes(head[18:26], "big")
        if samples := word & (1 << 36) - 1:
            return AudioHeader(samples, word >> 44)
    soundfile = import_optional("soundfile", "read_audio_header", "speech")
    try:
        info = soundfile.info(where)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{where} is not an audio file: {error}") from error
    return AudioHeader(info.frames, info.samplerate)


def _read_head(where: str) -> bytes:
    with open(where, "rb", buffering=0) as file:
        head = file.read(64)
        return head + file.read(1 << 14) if head.startswith(MAGIC) else head
