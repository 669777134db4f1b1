"""Audio files: samples, and headers without samples."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tntjax._check import check_choice
from tntjax._files import as_place
from tntjax._numbers import check_at_least
from tntjax._optional import import_optional
from tntjax.speech._sphere import MAGIC, read_sphere_header, read_sphere_part

FLOATS = {"FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_III"}
"""Codings of libsndfile that store floats, or may go beyond -1 and 1."""

LONGEST_HEAD = 80
"""Bytes of a WAV before its first sample, with all that tells of its form."""


class Audio(NamedTuple):
    """A recording: [T] samples, or of several channels [T, C], and their rate in Hz."""

    wave: np.ndarray
    sample_rate: int


class AudioHeader(NamedTuple):
    """The number of samples of a channel, and their rate in Hz."""

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
      ValueError: if it cannot be decoded, is truncated or does not tell its length, or
        an argument is wrong.
    """
    where = as_place(path, "read_audio: path")
    check_choice("read_audio", "dtype", dtype, ("float32", "int16"))
    start = check_at_least("read_audio: start", start, 0)
    if frames is not None:
        frames = check_at_least("read_audio: frames", frames, 0)
    if sample_rate is not None:
        sample_rate = check_at_least("read_audio: sample_rate", sample_rate, 1)
    with open(where, "rb", buffering=0) as content:
        head = _read_head(content, where)
    if head.startswith(MAGIC):  # libsndfile trusts a file's length
        samples, header = read_sphere_part(where, start, frames)
        scaled = samples if dtype == "int16" else samples.astype(np.float32) / 32768
        audio = Audio(scaled, header["sample_rate"])
    else:
        audio = _decode(where, start, frames, dtype)
    if sample_rate in (None, audio.sample_rate):
        return audio
    soxr = import_optional("soxr", "read_audio(sample_rate=...)", "speech")
    return Audio(soxr.resample(*audio, sample_rate), sample_rate)


def _decode(where: str, start: int, frames: int | None, dtype: str) -> Audio:
    with _open(where, "read_audio", "cannot be decoded") as file:
        start = file.seek(min(start, file.frames))
        left = file.frames - start
        count = _check_known(left if frames is None else min(left, frames), where)
        # Floats would become int16 by rounding, most of them to 0.
        is_float = file.subtype in FLOATS
        wave = file.read(count, dtype="float32" if is_float else dtype)
        if is_float and dtype == "int16":
            scaled = np.round(np.clip(np.nan_to_num(wave), -1, 1) * 32768)
            wave = np.minimum(scaled, 32767).astype(np.int16)
        rate = file.samplerate
    if len(wave) < count:
        raise ValueError(
            f"{where} is truncated: {count} samples from sample {start} on are"
            f" promised, there are {len(wave)}. Copy it again."
        )
    return Audio(wave, rate)


@contextlib.contextmanager
def _open(where: str, name: str, told: str) -> Iterator[Any]:
    """Opens a file by soundfile, whose own `open` takes no name that is not UTF-8."""
    soundfile = import_optional("soundfile", name, "speech")
    try:
        with open(where, "rb") as content, soundfile.SoundFile(content) as file:
            yield file
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{where} {told}: {error.error_string}") from error


def _check_known(samples: int, where: str) -> int:
    """Returns a number of samples, which libsndfile makes huge if nobody knows it."""
    if samples >= 1 << 62:
        raise ValueError(
            f"{where} does not tell how long it is, as if it was written to a pipe."
            " Write it to a file: ffmpeg -i in.flac out.flac."
        )
    return samples


def read_audio_header(path: str | os.PathLike[str]) -> AudioHeader:
    """Reads how long an audio file is, without decoding it.

    Args:
      path: the file. FLAC and SPHERE need nothing, others the extra `speech`.

    Returns:
      The number of samples and their rate.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not an audio file, does not tell its length, or is a
        truncated WAV.
    """
    where = as_place(path, "read_audio_header: path")
    with open(where, "rb", buffering=0) as content:
        head = _read_head(content, where)
        if head.startswith(MAGIC):
            content.seek(0)
            header, _ = read_sphere_header(content, where)
            return AudioHeader(header["sample_count"], header["sample_rate"])
    if head[:4] == b"fLaC" and len(head) > 42 and head[4] & 127 == 0:  # STREAMINFO
        # 20 bits of rate, 3 of channels, 5 of bits, 36 of samples; 0 is unknown
        word = int.from_bytes(head[18:26], "big")
        if samples := word & (1 << 36) - 1:
            return AudioHeader(samples, word >> 44)
    with _open(where, "read_audio_header", "is not an audio file") as file:
        return AudioHeader(_check_known(file.frames, where), file.samplerate)


def _read_head(file: Any, where: str) -> bytes:
    """Reads a file's first 64 bytes, and checks the length of a RIFF file."""
    head = file.read(64)
    if head.startswith(b"RIFF"):
        # libsndfile trusts the file's length; writers to a pipe know none.
        promised, found = int.from_bytes(head[4:8], "little") + 8, file.seek(0, 2)
        if found + 1 < promised < 0x7FFF0000:
            raise ValueError(
                f"{where} is truncated: its header promises {promised} bytes, it"
                f" has {found}. Copy it again."
            )
        if promised <= LONGEST_HEAD < found:
            raise ValueError(
                f"{where} was left open by what wrote it: its header promises no"
                f" samples, and it has {found} bytes. Write it anew: sox"
                " --ignore-length in.wav out.wav."
            )
    return head
