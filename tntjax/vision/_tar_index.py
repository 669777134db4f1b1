"""TarIndex: the files of a tar, read at random."""

import contextlib
import functools
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tntjax._files import as_place, write_cache
from tntjax._numbers import check_boolean, check_integer
from tntjax.vision._archive import DAMAGED
from tntjax.vision._names import Names
from tntjax.vision._tar_members import Member, list_members

FORMAT = 2  # of the cache; another one is not read

CHANGED = "changed after it was indexed. Make the index anew."

MOST = 1 << 30
"""Bytes to read at once: Linux gives less than 2 GiB, macOS refuses more."""


@dataclass(frozen=True, eq=False, repr=False)
class TarIndex:
    """Reads single files of a tar where they lie, with no extraction.

    One pass over the headers finds them; each read is one `pread` of a file that is not
    held open, so threads and processes share an index. It pickles as a few arrays, or
    with a `cache` as its path. Symbolic links and empty folders are left out. A hard
    link is the file that it leads to; of files of one name the last is read.

    Args:
      path: the tar, not compressed. It must not change.
      nested: also index the files of tars in it: "n01440764.tar/n01440764_18.JPEG".
      cache: a file to keep the index in. It is made if it is not there or belongs to
        another tar (told by its size and time), by any number of processes.

    Raises:
      FileNotFoundError: if there is no such tar.
      OSError: if the cache can't be written.
      ValueError: if it is compressed, cut short, damaged or no tar, holds no file, or
        the cache is a file of something else; where it is unpickled, if it has changed.

    Warns:
      UserWarning: if the tar has no empty block to mark its end, as if it was cut short
        behind a file. Its files are read, as `tarfile` does.

    Example:
      >>> import io, tarfile, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     with tarfile.open(f"{folder}/a.tar", "w") as tar:
      ...         member = tarfile.TarInfo("cats/tom.txt")
      ...         member.size = 5
      ...         tar.addfile(member, io.BytesIO(b"meow!"))
      ...     index = TarIndex(f"{folder}/a.tar")
      ...     len(index), index.names[0], index.read(0)
      (1, 'cats/tom.txt', b'meow!')

    Source: POSIX.1-1988 ustar, the pax headers of POSIX.1-2001, and GNU's additions.
    """

    path: str | os.PathLike[str]
    nested: bool = field(default=False, kw_only=True)
    cache: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    stamp: tuple[int, int] = field(init=False)  # size and time, in ns
    names: Names = field(init=False)
    offsets: np.ndarray = field(init=False)
    sizes: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        vars(self).update(path=as_place(self.path, "TarIndex: path"))
        if self.cache is not None:
            vars(self).update(cache=as_place(self.cache, "TarIndex: cache"))
        check_boolean("TarIndex: nested", self.nested)
        if not os.path.isfile(self.path):
            raise FileNotFoundError(f"TarIndex needs a tar; there is no {self.path}.")
        self._open()

    def _open(self) -> None:
        found = os.stat(self.path)
        stamp = np.array([FORMAT, found.st_size, found.st_mtime_ns, self.nested])
        arrays = _load(self.cache, stamp) if self.cache else None
        if arrays is None:
            # By name: of a file that was added anew the last counts, as if extracted.
            by_name: dict[str, Member] = {}
            for member in list_members(self.path, self.nested):
                by_name[member.name] = by_name.get(member.link, member)
            if not by_name:
                raise ValueError(f"{self.path} holds no files.")
            members = by_name.values()
            if any(member.link for member in members):
                raise ValueError(f"{self.path} has a link to a file that it lacks.")
            names = Names.pack(by_name)
            arrays = {
                "text": np.frombuffer(names.text, np.uint8),
                "ends": names.ends,
                "offsets": np.array([member.offset for member in members], np.int64),
                "sizes": np.array([member.size for member in members], np.int64),
            }
            if self.cache:
                arrays["stamp"] = stamp
                write = functools.partial(np.savez, **arrays)
                write_cache(os.fspath(self.cache), write, "TarIndex")
        names = Names(arrays["text"].tobytes(), arrays["ends"])
        vars(self).update(names=names, offsets=arrays["offsets"], sizes=arrays["sizes"])
        vars(self).update(stamp=(found.st_size, found.st_mtime_ns))

    def __len__(self) -> int:
        return len(self.offsets)

    def __repr__(self) -> str:
        return f"TarIndex({self.path!r}, nested={self.nested})"

    def read(self, which: int | str) -> bytes:
        """Reads a file of the tar, by its index in the order of the tar or by its name.

        Raises:
          IndexError, KeyError: if there is no such file.
          ValueError: if the tar has changed, by its size or time.
        """
        index = self.find(which) if isinstance(which, str) else which
        index = check_integer(index, "TarIndex.read needs an integer or a name")
        if not 0 <= index < len(self):
            raise IndexError(f"{self!r} has {len(self)} files, got index {index}.")
        size = int(self.sizes[index])
        file = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            found = os.fstat(file)
            start = int(self.offsets[index])
            content = os.pread(file, min(size, MOST), start)
            for at in range(MOST, size, MOST):
                content += os.pread(file, min(size - at, MOST), start + at)
        finally:
            os.close(file)
        if (found.st_size, found.st_mtime_ns) != self.stamp or len(content) != size:
            raise ValueError(f"{self.where(index)}: the tar {CHANGED}")
        return content

    def find(self, name: str) -> int:
        """Finds the index of a file by its name, or raises a KeyError."""
        try:
            return self.names.positions[name]
        except KeyError:
            raise KeyError(
                f"{self.path} has no file {name!r}; the first is {self.names[0]!r}."
            ) from None

    def where(self, index: int) -> str:
        """Names the tar, and the file of an index in it."""
        return f"{self.path}: {self.names[index]}"

    def __getstate__(self) -> dict[str, Any]:
        left = ("names", "offsets", "sizes") if self.cache else ()
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.cache:
            self._open()
            if self.stamp != state["stamp"]:  # numbers of files would be others
                raise ValueError(f"{self.path} {CHANGED}")


def _load(
    cache: str | os.PathLike[str], stamp: np.ndarray
) -> dict[str, np.ndarray] | None:
    """Reads a cache, unless it is not there, damaged, or of another tar.

    Raises:
      ValueError: if it is a file of something else, which would be overwritten.
    """
    is_index = True
    with contextlib.suppress(KeyError, *DAMAGED), open(cache, "rb") as file:
        is_index = file.read(2) in (b"", b"PK")  # a zip
        file.seek(0)
        if is_index:
            with np.load(file, allow_pickle=False) as archive:
                is_index = "stamp" in archive
                if np.array_equal(archive["stamp"], stamp):
                    names = ("text", "ends", "offsets", "sizes")
                    return {name: archive[name] for name in names}
    if not is_index:
        raise ValueError(
            f"TarIndex: {cache} is not an index of a tar, and would be overwritten."
            " Name another file as the cache."
        )
    return None
