r"""A file of lines that end at `\n` alone, read through a map by their places."""

import gzip
import hashlib
import mmap
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

PIECE = 1 << 22
"""Bytes that are scanned at once: memory does not grow with the file."""


class LineFile:
    """The lines of one file, as bytes.

    It pickles as its path; whoever unpickles it maps and scans the file again, or maps
    the index that `cache` holds.

    Args:
      path: the file; one whose name ends in `.gz` is unpacked, since nobody can jump
        in it.
      cache: a folder for the index and what is unpacked, or None: then the index is in
        memory, and what is unpacked in a temporary file.
      stamp: the size and time that the file should have, or None.
    """

    def __init__(self, path: Any, cache: Any, stamp: Any = None) -> None:
        self.path = Path(path).expanduser()
        self.cache = None if cache is None else Path(cache).expanduser()
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no file {self.path}.")
        found = os.stat(self.path)
        self.stamp = found.st_size, found.st_mtime_ns
        if stamp not in (None, self.stamp):
            raise ValueError(f"{self.path} has changed since its lines were counted.")
        with self._open_plain() as file:
            # Entries of a memoryview are read faster than those of an array.
            ends: Any = self._load_ends(file)
            self.ends = memoryview(ends)
            self.content: Any = b""  # an empty file cannot be mapped
            if os.fstat(file.fileno()).st_size:
                self.content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __reduce__(self) -> tuple:
        return LineFile, (self.path, self.cache, self.stamp)

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, line: int) -> bytes:
        """Reads one line, without its end."""
        ends = self.ends
        return self.content[ends[line - 1] + 1 if line else 0 : ends[line]]

    def sizes(self) -> np.ndarray:
        """Returns the size of each line in bytes, int64 [lines]."""
        ends = np.asarray(self.ends, np.int64)
        return np.diff(ends, prepend=-1) - 1

    def _load_ends(self, file: Any) -> np.ndarray:
        if self.cache is None:
            return _find_ends(file)
        index = self._place("npy")
        if not index.exists():
            _write_whole(index, lambda out: np.save(out, _find_ends(file)))
        return np.asarray(np.load(index, mmap_mode="r"))

    def _open_plain(self) -> Any:
        if self.path.suffix != ".gz":
            return open(self.path, "rb")
        if self.cache is None:
            file = tempfile.TemporaryFile()  # on the disk, and nowhere in a folder
            self._unpack(file)
            file.flush()
            return file
        plain = self._place("txt")
        if not plain.exists():
            _write_whole(plain, self._unpack)
        return open(plain, "rb")

    def _unpack(self, file: Any) -> None:
        try:
            with gzip.open(self.path) as packed:
                shutil.copyfileobj(packed, file, PIECE)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{self.path} is not a whole gzip file: {error}") from None

    def _place(self, kind: str) -> Path:
        """Returns the file of the cache that is for the file as it is now."""
        assert self.cache is not None
        known = f"{self.path.resolve()} {self.stamp}"
        name = hashlib.sha256(known.encode()).hexdigest()[:16]
        return self.cache / f"{self.path.name}-{name}.{kind}"


def _find_ends(file: BinaryIO) -> np.ndarray:
    """Finds the end of each line, by 4 bytes each where that is enough."""
    size = os.fstat(file.fileno()).st_size
    dtype = np.uint32 if size < 2**32 else np.int64
    parts = [found.astype(dtype) for found in _scan(file)]
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":  # a last line without an end
            parts.append(np.array([size], dtype))
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _scan(file: BinaryIO) -> Iterator[np.ndarray]:
    """Yields the places of line ends; not through a map, whose pages would count."""
    file.seek(0)
    start = 0
    while piece := file.read(PIECE):
        yield np.flatnonzero(np.frombuffer(piece, np.uint8) == 10) + start
        start += len(piece)


def _write_whole(path: Path, write: Any) -> None:
    """Writes a file under another name first: two processes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            write(file)
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)
