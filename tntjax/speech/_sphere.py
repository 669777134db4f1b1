"""NIST SPHERE, the file format of TIMIT and other corpora of the LDC."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAGIC = b"NIST_1A\n"

NUMBERS = {"channel_count", "sample_count", "sample_n_bytes", "sample_rate"}


class Sphere(NamedTuple):
    """A SPHERE file.

    Args:
      samples: int16 [T], or [T, C] of more than one channel.
      header: its fields, `{"sample_rate": 16000, ...}`.
    """

    samples: np.ndarray
    header: dict[str, Any]


def read_sphere(path: str | os.PathLike[str]) -> Sphere:
    """Reads a SPHERE file of 16-bit PCM, in either byte order, or of mu-law.

    Bytes behind the last sample of the header's `sample_count` are left out.

    Args:
      path: the file.

    Returns:
      The samples and the header.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not a SPHERE file, holds fewer samples than its header
        promises, or is coded otherwise: compressed by shorten, say.

    NIST's SPHERE 2.6; mu-law of ITU-T G.711.
    """
    where, content = os.fspath(path), Path(path).read_bytes()
    header, start = parse_sphere_header(content, where)
    coding, size = str(header.get("sample_coding", "pcm")), header["sample_n_bytes"]
    dtype = _find_dtype(coding, size, header.get("sample_byte_format"), where)
    channels, body = header["channel_count"], len(content) - start
    count = header["sample_count"] * channels
    if body < count * size:
        raise ValueError(
            f"{where} is truncated: its header promises {header['sample_count']}"
            f" samples, it has {body // (size * channels)}. Copy it again."
        )
    samples = np.frombuffer(content, dtype, count, start)
    samples = _expand_mu_law(samples) if size == 1 else samples.astype(np.int16)
    return Sphere(samples.reshape(-1, channels) if channels > 1 else samples, header)


def parse_sphere_header(content: bytes, where: str) -> tuple[dict[str, Any], int]:
    """Reads the header of the file `where`: its fields, and where samples begin."""
    lines = content[:16].split(b"\n")
    if not content.startswith(MAGIC) or not lines[1].strip().isdigit():
        raise ValueError(
            f"{where} is not a SPHERE file: it begins with {content[:12]!r}, not with"
            f" {MAGIC!r}. Read other formats with read_audio."
        )
    start, header = int(lines[1]), {}
    for line in content[16:start].decode("latin-1").split("\n"):
        name, *rest = line.strip().split(None, 2)[:3] or [""]
        if name == "end_head":
            break
        if len(rest) == 2 and not name.startswith(";"):
            kind, value = rest
            convert = {"-i": int, "-r": float}.get(kind, str)
            # Some writers declare the numbers that are needed as text.
            header[name] = int(value) if name in NUMBERS else convert(value)
    header.setdefault("channel_count", 1)
    if missing := sorted(NUMBERS - set(header)):
        raise ValueError(f"{where} has a SPHERE header without {', '.join(missing)}.")
    return header, start


def _find_dtype(coding: str, size: int, order: Any, where: str) -> str:
    """Returns the dtype of what is stored, or raises if it is of no kind known here."""
    if "shorten" in coding or "wavpack" in coding or "shortpack" in coding:
        raise ValueError(
            f"{where} is compressed ({coding}), which cannot be read here. Convert it:"
            " sph2pipe -f wav in.sph out.wav (of the LDC, also in Kaldi's tools)."
        )
    if coding == "pcm" and size == 2 and str(order) in ("01", "10"):
        return "<i2" if str(order) == "01" else ">i2"
    if coding in ("ulaw", "mu-law") and size == 1:
        return "u1"
    raise ValueError(
        f"{where} needs 16-bit pcm with sample_byte_format 01 or 10, or ulaw, got"
        f" {coding} of {size} bytes with sample_byte_format {order}."
    )


def _expand_mu_law(codes: np.ndarray) -> np.ndarray:
    codes = ~codes.astype(np.uint8)
    exponent, mantissa = (codes >> 4) & 7, (codes & 15).astype(np.int16)
    size = (((mantissa << 3) + 132) << exponent.astype(np.int16)) - 132
    return np.where(codes & 128, -size, size).astype(np.int16)
