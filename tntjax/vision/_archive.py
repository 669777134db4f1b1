"""Archives: members of a tar, and the errors of damaged ones."""

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection

DAMAGED = (OSError, EOFError, ValueError, zlib.error)
DAMAGED += (tarfile.TarError, zipfile.BadZipFile)
DAMAGED += (RuntimeError,)  # of zipfile, as if packed in another way or encrypted
"""Errors of the standard library and of NumPy for an archive cut short or damaged."""


def read_members(
    path: str | os.PathLike[str], names: Collection[str]
) -> dict[str, bytes]:
    """Reads members of a tar, gzipped or not, by the last parts of their names."""
    found = {}
    try:
        with open(path, "rb") as content:
            packed = content.read(2) == b"\x1f\x8b"
        # gzip compares the sum at its end, which tarfile's own reader does not.
        with (gzip.open if packed else open)(path, "rb") as content:
            tar = tarfile.open(fileobj=content, mode="r|")
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                file = tar.extractfile(member) if name in names else None
                if file is not None:
                    found[name] = file.read()
            while content.read(1 << 20):
                pass
    except DAMAGED as error:
        raise ValueError(f"{path} is truncated or damaged: {error}") from error
    return found
