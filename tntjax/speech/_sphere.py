"""NIST SPHERE, the file format of TIMIT and other corpora of the LDC."""

import contextlib
import os
from typing import Any, NamedTuple

import numpy as np

from tntjax._files import as_place

MAGIC = b"NIST_1A\n"

SIZES = ("channel_count", "sample_count", "sample_n_bytes", "sample_rate")
"""Fields of positive integers, which must be there."""

KINDS = dict.fromkeys(SIZES, "-r") | {"sample_coding": "-s", "sample_byte_format": "-s"}
"""Kinds of the fields that are needed, whatever a header says of them."""

DTYPES: dict[Any, str] = {("pcm", 2, "01"): "<i2", ("pcm", 2, "10"): ">i2"}
DTYPES |= {(name, 1, None): "u1" for name in ("ulaw", "mu-law")}
"""Dtypes of samples, by their coding, their bytes, and the order of these."""


class Sphere(NamedTuple):
    """Samples, int16 [T] or of several channels [T, C], and fields of the header."""

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
    return read_sphere_part(as_place(path, "read_sphere: path"), 0, None)


def read_sphere_part(where: str, start: int, frames: int | None) -> Sphere:
    """Reads samples from `start` on, `frames` of them at most, and the header."""
    with open(where, "rb") as file:
        header, begin = read_sphere_header(file, where)
        width, dtype = _find_layout(header, where)
        count = header["sample_count"]
        if (found := max(0, file.seek(0, os.SEEK_END) - begin) // width) < count:
            raise ValueError(
                f"{where} is truncated: its header promises {count} samples, it has"
                f" {found}. Copy it again."
            )
        file.seek(begin + min(start, count) * width)
        left = max(0, count - start)
        left = left if frames is None else min(left, frames)
        samples = np.frombuffer(file.read(left * width), dtype)
    is_mu_law, channels = dtype == "u1", header["channel_count"]
    samples = _expand_mu_law(samples) if is_mu_law else samples.astype(np.int16)
    return Sphere(samples.reshape(-1, channels) if channels > 1 else samples, header)


def _find_layout(header: dict[str, Any], where: str) -> tuple[int, str]:
    """Returns the bytes of one sample of all channels, and the dtype of each."""
    coding, size = header.get("sample_coding", "pcm").lower(), header["sample_n_bytes"]
    order = header.get("sample_byte_format")
    dtype = DTYPES.get((coding, size, order if size > 1 else None))
    if dtype is None:
        raise ValueError(
            f"{where} needs 16-bit pcm with sample_byte_format 01 or 10, or ulaw, got"
            f" {coding} of {size} bytes with sample_byte_format {order}. Convert it:"
            " sph2pipe -f wav in.sph out.wav (of the LDC, also in Kaldi's tools)."
        )
    return size * header["channel_count"], dtype


def read_sphere_header(file: Any, where: str) -> tuple[dict[str, Any], int]:
    """Reads the header of the file `where`: its fields, and where samples begin."""
    head = file.read(16)
    size = head[8:].strip()
    if not head.startswith(MAGIC) or not size.isdigit():
        raise ValueError(
            f"{where} is not a SPHERE file: it begins with {head!r}, not with {MAGIC!r}"
            " and the header's size. Read other formats with read_audio."
        )
    lines = file.read(max(0, int(size) - 16)).decode("latin-1").split("\n")
    header: dict[str, Any] = {"channel_count": 1.0}
    for line in lines:
        name, *rest = line.strip().split(None, 2)[:3] or [""]
        if name == "end_head":
            break
        if len(rest) == 2 and not name.startswith(";"):
            kind, header[name] = rest
            with contextlib.suppress(ValueError):
                convert = {"-i": int, "-r": float}.get(KINDS.get(name, kind), str)
                header[name] = convert(header[name])
    if missing := [name for name in SIZES if name not in header]:
        raise ValueError(
            f"{where} has a SPHERE header without {', '.join(missing)}. Copy it again,"
            " or if it has none, write it anew with it."
        )
    for name in SIZES:
        number, least = header[name], name != "sample_count"
        if isinstance(number, str) or not number.is_integer() or number < least:
            raise ValueError(f"{where} has {name} {number!r}, not a number > 0.")
        header[name] = int(number)
    return header, int(size)


def _expand_mu_law(codes: np.ndarray) -> np.ndarray:
    codes = ~codes
    exponent, mantissa = (codes >> 4) & 7, (codes & 15).astype(np.int16)
    size = (((mantissa << 3) + 132) << exponent.astype(np.int16)) - 132
    return np.where(codes & 128, -size, size).astype(np.int16)
