"""LineDataset: the lines of text files."""

import errno
import os
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import jax
import numpy as np

from tntjax._check import require
from tntjax._files import as_place
from tntjax._struct import Opaque, child, pytree, static
from tntjax._types import Sample
from tntjax.dataset._columns import with_flat
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import check_index, host_only
from tntjax.text._ids import is_ordered
from tntjax.text._line_file import LineFile


@pytree
class LineDataset(IndexMap):
    r"""The lines of files of UTF-8, in any order, without reading them into memory.

    A line ends at `\n` and nowhere else: `\r`, U+0085 and U+2028 are part of it. A mark
    of UTF-8 that an editor put before the first line (U+FEFF) is not.

    Memory takes 4 bytes a line (8 in a file of 4 GiB or more), and none with `cache`.
    Another process scans the files again, or shares the cache. Files must not change
    meanwhile.

    Args:
      paths: a file or several, one after the other. Those that gzip has packed are
        unpacked once, into the cache or a temporary file.
      cache: a folder to keep the places of lines and what was unpacked, of a file of
        this size and time.
      errors: what bytes that are not UTF-8 do, as in `bytes.decode`: "strict" raises,
        "replace" gives U+FFFD.

    Raises:
      FileNotFoundError: if a file is not there.
      TypeError, ValueError: if `paths` is something else, a `.gz` damaged, or `errors`
        is unknown.

    Example:
      >>> import pathlib, tempfile
      >>> path = pathlib.Path(tempfile.mkdtemp(), "lines")
      >>> _ = path.write_bytes("one\ntwo\rthree\u2028four\n".encode())
      >>> dataset = LineDataset(path)
      >>> len(dataset), dataset[1]
      (2, {'text': 'two\rthree\u2028four'})

    Purpose: corpora, such as one of a thousand million words. Torchnet's
    `ListDataset.from_file` reads all lines at once.
    """

    paths: Any = static()
    cache: Any = static(default=None)
    errors: str = static(default="strict")
    files: Any = child(Opaque, init=False)

    def __post_init__(self) -> None:
        paths, cache = self.paths, self.cache
        if isinstance(paths, str | bytes | os.PathLike):
            paths = (paths,)
        needs = "LineDataset needs a path or a list of paths"
        require(is_ordered(paths), needs, paths, error=TypeError)
        paths = tuple(as_place(path, "LineDataset: a path") for path in paths)
        require(paths, "LineDataset needs one file or more", paths)
        try:
            b"\xff".decode("utf-8", self.errors)
        except UnicodeDecodeError:
            pass
        except (LookupError, TypeError) as error:
            ways = "LineDataset needs errors of bytes.decode, such as 'strict'"
            raise ValueError(f"{ways} or 'replace', got {self.errors!r}.") from error
        if cache is not None:
            cache = as_place(cache, "LineDataset: cache")
        try:
            files = _Files(LineFile(path, cache) for path in paths)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            raise OSError(
                f"LineDataset keeps {len(paths)} files open, and as many of a cache,"
                f" which is more than this process may: {error}. Raise the limit, such"
                " as by `ulimit -n 8192`, or join files."
            ) from error
        vars(self).update(paths=paths, cache=cache, files=files)

    def __len__(self) -> int:
        return self.files.count

    def _get(self, index: int) -> Sample:
        try:
            return {"text": self.files.read(index).decode("utf-8", self.errors)}
        except UnicodeDecodeError as error:
            file, line = self.files.find(index)
            raise ValueError(
                f"Line {line + 1} of {file.path} is not UTF-8 ({error}). Pass"
                " errors='replace', or convert the file."
            ) from None

    def _take(self, rows: Any) -> Sample:
        if isinstance(rows, jax.Array):
            raise host_only(self)
        return with_flat(self._read_many, rows)

    def _read_many(self, rows: np.ndarray) -> Sample:
        read, errors, numbers = self.files.read, self.errors, rows.tolist()
        try:
            return {"text": [read(row).decode("utf-8", errors) for row in numbers]}
        except UnicodeDecodeError:  # read again, to tell which line it is
            return {"text": [self._get(row)["text"] for row in numbers]}

    def read_bytes(self, index: int) -> bytes:
        """Reads a line as it is in the file, without its end."""
        if type(index) is not int or not 0 <= index < self.files.count:
            index = check_index(self, index)
        return self.files.read(index)


class _Files:
    """Files one after the other, and at which line each begins."""

    def __init__(self, files: Iterable[LineFile]) -> None:
        self.files = files = tuple(files)
        self.starts = starts = [0, *accumulate(map(len, files))]
        self.count = starts[-1]

        # Not a method: in a cycle with `self` files would stay open until collected.
        def read(index: int) -> bytes:
            place = bisect_right(starts, index) - 1
            return files[place].read(index - starts[place])

        # Of one file, as most are, nothing needs to be searched.
        self.read = files[0].read if len(files) == 1 else read

    def find(self, index: int) -> tuple[LineFile, int]:
        """Finds the file of a line, and its number there."""
        place = bisect_right(self.starts, index) - 1
        return self.files[place], index - self.starts[place]

    def __reduce__(self) -> tuple:
        return _Files, (self.files,)
