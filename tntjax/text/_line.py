"""LineDataset: the lines of text files."""

import os
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from tntjax._struct import Opaque, child, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.text._line_file import LineFile

Paths = str | os.PathLike | Sequence[str | os.PathLike]


@pytree
class LineDataset(IndexMap):
    r"""The lines of files of UTF-8, in any order, without reading them into memory.

    A line ends at `\n` and nowhere else: `\r`, U+0085 and U+2028 are part of it, as
    files that are read in parallel need. Memory takes 4 bytes a line (8 in a file of
    4 GiB or more), and none with `cache`. Pickles are small: another process scans the
    files again, or shares the cache. A file must not be cut while it is read.

    Args:
      paths: a file or several, one after the other. Those in `.gz` are unpacked once,
        into the cache or a temporary file.
      cache: a folder to keep the places of lines and what was unpacked, for a file as
        it is: of another size or time it is done again.
      errors: what bytes that are not UTF-8 do, as in `bytes.decode`: "strict" raises,
        "replace" gives U+FFFD.
      files: the open files; leave it out.

    Raises:
      FileNotFoundError: if a file is not there.
      ValueError: if a `.gz` is damaged, or there is no path.

    Example:
      >>> import pathlib, tempfile
      >>> path = pathlib.Path(tempfile.mkdtemp(), "lines")
      >>> _ = path.write_bytes("one\ntwo\rthree\u2028four\n".encode())
      >>> dataset = LineDataset(path)
      >>> len(dataset), dataset[1]
      (2, {'text': 'two\rthree\u2028four'})

    Purpose: corpora, such as one of a thousand million words.

    Torchnet: has nothing like it; `ListDataset.from_file` reads all lines at once.
    """

    paths: Any = static()
    cache: Any = static(default=None)
    errors: str = static(default="strict")
    files: Any = child(Opaque, default=None)

    def __post_init__(self) -> None:
        single = isinstance(self.paths, str | os.PathLike)
        paths = (self.paths,) if single else tuple(self.paths)
        if not paths:
            raise ValueError("LineDataset needs one file or more, got none.")
        if self.files is None:
            files = tuple(LineFile(path, self.cache) for path in paths)
            vars(self).update(paths=tuple(map(str, paths)), files=_Files(files))

    def __len__(self) -> int:
        return self.files.starts[-1]

    def _get(self, index: int) -> Sample:
        data = self.files.read(index)
        try:
            return {"text": data.decode("utf-8", self.errors)}
        except UnicodeDecodeError as error:
            file, line = self.files.find(index)
            raise ValueError(
                f"Line {line + 1} of {file.path} is not UTF-8 ({error}). Pass"
                " errors='replace', or convert the file."
            ) from None

    def read_bytes(self, index: int) -> bytes:
        """Reads a line as it is in the file, without its end.

        Args:
          index: 0 <= index < len, not checked.

        Returns:
          Its bytes.
        """
        return self.files.read(index)


class _Files:
    """Files one after the other, and at which line each begins."""

    def __init__(self, files: Iterable[LineFile]) -> None:
        self.files = tuple(files)
        self.starts = [0, *accumulate(map(len, self.files))]
        # Of one file, as most are, nothing needs to be searched.
        self.read = self.files[0].read if len(self.files) == 1 else self._read

    def _read(self, index: int) -> bytes:
        file, line = self.find(index)
        return file.read(line)

    def find(self, index: int) -> tuple[LineFile, int]:
        """Finds the file of a line, and its number there."""
        place = bisect_right(self.starts, index) - 1
        return self.files[place], index - self.starts[place]

    def __reduce__(self) -> tuple:
        return _Files, (self.files,)
