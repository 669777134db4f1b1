r"""A file of lines that end at `\n` alone, read through a map by their places."""

import gzip
import hashlib
import mmap
import os
import secrets
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tntjax._struct import describe

PIECE = 1 << 22  # bytes that are scanned at once: memory does not grow with the file
PACKED = b"\x1f\x8b"  # begins a file of gzip, and no text in UTF-8


class LineFile:
    """The lines of one file, as bytes: `read(line)` for a number in range.

    It pickles as its path and a stamp, its size and time; whoever unpickles it scans
    the file again, or maps the index that `cache` holds. Without a cache the index is
    in memory, and what gzip had packed, where nobody can jump, in a temporary file.
    """

    def __init__(self, path: Path, cache: Path | None, stamp: Any = None) -> None:
        self.path, self.cache = path, cache
        if not path.is_file():
            told = "{} is not a file." if path.exists() else "There is no file {}."
            raise FileNotFoundError(told.format(path))
        found = os.stat(path)
        self.stamp = found.st_size, found.st_mtime_ns
        if stamp not in (None, self.stamp):
            raise ValueError(f"{path} has changed since its lines were counted.")
        with self._open_plain() as file:
            self.starts: Any = self._load_starts(file)
            content: Any = b""  # an empty file cannot be mapped
            if os.fstat(file.fileno()).st_size:
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
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

    def _load_starts(self, file: Any) -> Any:
        if self.cache is None:
            return _find_starts(file)
        index = self._place("npy")
        try:
            starts = np.asarray(np.load(index, mmap_mode="r"))
            if int(starts[-1]) - os.fstat(file.fileno()).st_size in (0, 1):
                return starts
        except (ValueError, EOFError, OSError, IndexError):
            pass  # not there, or damaged, as by a full disk
        _write_whole(index, lambda out: np.save(out, _find_starts(file)))
        return np.asarray(np.load(index, mmap_mode="r"))

    def _open_plain(self) -> Any:
        file = open(self.path, "rb")
        if self.path.suffix != ".gz" and file.read(2) != PACKED:
            return file
        file.close()
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
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{self.path} is not a whole gzip file: {error}") from None

    def _place(self, kind: str) -> Path:
        """Returns the file of the cache that is for the file as it is now."""
        assert self.cache is not None
        known = os.fsencode(f"{self.path.resolve()} {self.stamp}")
        number = hashlib.sha256(known).hexdigest()[:16]
        return self.cache / f"{self.path.name}-{number}.{kind}"


def as_path(path: Any, subject: str) -> Path:
    """Makes a path of what names a file, or raises a TypeError."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"{subject}, got {describe(path)}.")
    return Path(os.fsdecode(path)).expanduser()


def _find_starts(file: BinaryIO) -> np.ndarray:
    """Finds where each line begins and a next one would: [lines + 1]."""
    size = os.fstat(file.fileno()).st_size
    dtype = np.uint32 if size < 2**32 - 1 else np.int64
    parts, done = [np.zeros(1, dtype)], file.seek(0)
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


def _write_whole(path: Path, write: Any) -> None:
    """Writes a file under another name first: two processes may do so at once."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"cache must be a folder, got the file {folder}.") from None
    part = path.with_name(f".{secrets.token_hex(8)}-{path.name}")
    try:
        with open(part, "xb") as file:
            write(file)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
