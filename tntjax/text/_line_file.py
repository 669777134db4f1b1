r"""A file of lines that end at `\n` alone, read through a map by their places."""

import codecs
import contextlib
import gzip
import hashlib
import mmap
import os
import shutil
import sys
import tempfile
import zlib
from typing import Any, BinaryIO

import numpy as np

from tntjax._files import write_cache

PIECE = 1 << 22  # bytes that are scanned at once: memory does not grow with the file
MAP: Any = {"access": mmap.ACCESS_READ}
if sys.version_info >= (3, 13):
    MAP["trackfd"] = False  # no file stays open
PACKED = b"\x1f\x8b"  # begins a file of gzip, and no text in UTF-8


class LineFile:
    """The lines of one file, as bytes: `read(line)` for a number in range.

    Without a cache the index is in memory, and what gzip had packed, where nobody can
    jump, in a temporary file. A pickle holds the path and a stamp, its size and time.
    """

    def __init__(self, path: str, cache: str | None, stamp: Any = None) -> None:
        self.path, self.cache = path, cache
        if not os.path.isfile(path):
            told = "is not a file" if os.path.exists(path) else "is not there"
            raise FileNotFoundError(f"{path} {told}.")
        with open(path, "rb") as source:
            found = os.fstat(source.fileno())
            self.stamp = found.st_size, found.st_mtime_ns
            if stamp not in (None, self.stamp):
                raise ValueError(f"{path} has changed since its lines were counted.")
            packed = path.endswith(".gz") or source.read(2) == PACKED
            with self._unpack(source) if packed else source as file:
                self.starts: Any = self._load_starts(file)
                content: Any = b""  # an empty file cannot be mapped
                if os.fstat(file.fileno()).st_size:
                    content = mmap.mmap(file.fileno(), 0, **MAP)
        # Entries of a memoryview are read faster than those of an array, and names of
        # a closure faster than attributes.
        places = memoryview(self.starts)
        self.read = lambda line: content[places[line] : places[line + 1] - 1]

    def __reduce__(self) -> tuple:
        return LineFile, (self.path, self.cache, self.stamp)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def sizes(self) -> np.ndarray:
        """Returns the size of each line in bytes, int64 [lines]."""
        return np.diff(self.starts.astype(np.int64)) - 1

    def _load_starts(self, file: BinaryIO) -> Any:
        if self.cache is None:
            return _find_starts(file)
        size = os.fstat(file.fileno()).st_size
        with contextlib.suppress(ValueError, OSError):
            return self._map_index(size)
        starts = _find_starts(file)
        write_cache(self._place("starts"), starts.tofile, "LineDataset")
        return self._map_index(size)

    def _map_index(self, size: int) -> np.ndarray:
        """Maps the index in the cache; raises if it is not there, or cut."""
        starts = np.memmap(self._place("starts"), _choose_dtype(size), "r")
        if int(starts[-1]) - size not in (0, 1):
            raise ValueError("It is not of a text of this size.")
        return np.asarray(starts)

    def _unpack(self, source: BinaryIO) -> Any:
        """Returns a file, to be closed, of what gzip packed into another."""

        def write(plain: Any) -> None:
            source.seek(0)
            try:
                with gzip.open(source) as content:
                    shutil.copyfileobj(content, plain, PIECE)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                told = f"{self.path} is not a whole gzip file: {error}"
                raise ValueError(told) from None

        if not self.stamp[0]:
            raise ValueError(f"{self.path} is not a whole gzip file: it is empty.")
        if self.cache is None:
            with tempfile.TemporaryFile() as plain:  # on the disk, and in no folder
                write(plain)
                plain.flush()
                return os.fdopen(os.dup(plain.fileno()), "rb")
        place = self._place("txt")
        with contextlib.suppress(ValueError, OSError):
            self._map_index(os.path.getsize(place))  # the text may be cut, too
            return open(place, "rb")
        write_cache(place, write, "LineDataset")
        return open(place, "rb")

    def _place(self, kind: str) -> str:
        """Returns the file of the cache that is for the file as it is now."""
        assert self.cache is not None
        known = os.fsencode(f"{os.path.realpath(self.path)} {self.stamp}")
        number = hashlib.sha256(known).hexdigest()[:16]
        name = f"{os.path.basename(self.path)[:40]}-{number}.{kind}"
        return os.path.join(self.cache, name)


def _choose_dtype(size: int) -> Any:
    return np.uint32 if size < 2**32 - 1 else np.int64


def _find_starts(file: BinaryIO) -> np.ndarray:
    """Finds where each line begins and a next one would: [lines + 1]."""
    size = os.fstat(file.fileno()).st_size
    dtype = _choose_dtype(size)
    file.seek(0)
    begin = 3 if file.read(3) == codecs.BOM_UTF8 else 0
    parts, done = [np.array([begin], dtype)], file.seek(0)
    while piece := file.read(PIECE):  # pages of a map would count as memory
        places = np.flatnonzero(np.frombuffer(piece, np.uint8) == 10)
        parts.append((places + (done + 1)).astype(dtype))
        done += len(piece)
    if done != size:
        raise ValueError(
            f"{file.name} has {done} bytes, not {size}: it changes while it is read,"
            " or is not a file on a disk."
        )
    starts = np.concatenate(parts)
    if starts[-1] != size:  # a last line without an end
        starts = np.append(starts, dtype(size + 1))
    return starts
