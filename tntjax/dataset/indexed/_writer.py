"""IndexedDatasetWriter: makes the archives that IndexedDataset reads."""

import os
import threading
from io import FileIO
from typing import Any

import numpy as np
from jax.typing import ArrayLike

from tntjax._array import check_unmasked
from tntjax._files import as_place
from tntjax._struct import describe
from tntjax.dataset.indexed._archive import open_index
from tntjax.dataset.indexed._format import KINDS, is_too_long, name_journal, write_index
from tntjax.dataset.indexed._recover import Entries, pack_record, recover, start_journal
from tntjax.dataset.indexed._torch_write import encode


class IndexedDatasetWriter:
    """Writes items to an archive, a new one or behind those of an old one.

    Used in a `with` statement. `close`, at its end, writes the index in one piece.
    While the writer is open a journal lies beside it, `index_filename + ".part"`: if
    the program dies, or the `with` statement is left by an exception, `recover` saves
    every item that `add` has returned from.

    A kind is `"byte"` (uint8), `"char"` (int8), `"short"` (int16), `"int"` (int32),
    `"long"` (int64), `"float"` (float32), `"double"` (float64), or `"table"` for
    dicts, lists, strings, numbers, bools, None, arrays of these dtypes, and whatever
    nests them. Tables are written as Torch serializes them, as data only. Torch's
    numbers are float64, so an int comes back as an equal float, a tuple as a list.

    Args:
      index_filename: the `.idx` file. A link is followed, as is one to the data.
      data_filename: the `.bin` file.
      kind: the type of a new archive, which replaces one of the same name; None to
        append to the one that is there.

    Raises:
      FileNotFoundError: if there is nothing to append to.
      ValueError: if the kind is unknown, if a writer is still open or has died, if
        the archive to append to is damaged, or if both files are one.

    Example:
      >>> import tempfile
      >>> import tntjax as tnt
      >>> folder = tempfile.TemporaryDirectory()
      >>> names = f"{folder.name}/x.idx", f"{folder.name}/x.bin"
      >>> with tnt.IndexedDatasetWriter(*names, "table") as writer:
      ...     writer.add({"caption": "a cat", "box": np.array([0.5, 1.0])})
      >>> with tnt.IndexedDatasetWriter(*names) as writer:  # appends
      ...     writer.add({"caption": "a dog", "box": np.array([0.0, 0.5])})
      >>> tnt.IndexedDatasetReader(*names)[1]["caption"]
      'a dog'
      >>> folder.cleanup()

    Purpose: to bundle what would be very many files.

    Torchnet: `dataset/indexeddataset.lua`, the same bytes. There an archive without a
    call of `close` was lost, and appending after a crash shifted all later items.
    """

    def __init__(
        self,
        index_filename: str | os.PathLike,
        data_filename: str | os.PathLike,
        kind: str | None = None,
    ) -> None:
        self.index_filename = as_place(index_filename, "IndexedDatasetWriter: a file")
        self.data_filename = as_place(data_filename, "IndexedDatasetWriter: a file")
        names = self.index_filename, self.data_filename
        if os.path.realpath(names[0]) == os.path.realpath(names[1]):
            raise ValueError(
                "IndexedDatasetWriter needs two files, one for the index and one for"
                f" the data, got {names[0]!r} for both."
            )
        kinds = list(KINDS)  # which may be asked for anything
        if kind is not None and kind not in kinds:
            raise ValueError(
                f"IndexedDatasetWriter needs a kind of {kinds}, got {describe(kind)}."
            )
        if kind is None:
            self._entries = Entries.from_index(open_index(*names))
        else:
            self._entries = Entries(kind)
        self.kind = self._entries.kind
        self._lock = threading.Lock()
        self._journal = start_journal(self._entries, self.index_filename)
        try:  # to open the data before anything old is gone
            self._data = open(self.data_filename, "ab", buffering=0)
            if kind is not None:
                self._data.close()
                for name in filter(os.path.exists, map(os.path.realpath, names)):
                    os.remove(name)  # who still reads the old files keeps them
                self._data = open(self.data_filename, "ab", buffering=0)
        except OSError:
            self._journal.close()
            os.remove(name_journal(self.index_filename))
            raise

    recover = staticmethod(recover)

    def __len__(self) -> int:
        """Returns how many items there are, those before included."""
        return len(self._entries)

    def __repr__(self) -> str:
        return (
            f"IndexedDatasetWriter({self.index_filename!r}, {self.data_filename!r},"
            f" {self.kind!r}: {len(self)} items)"
        )

    def add(self, item: ArrayLike | Any) -> None:
        """Adds an array of exactly the archive's dtype, or a table.

        Args:
          item: an array of any shape, a JAX array included; for the kind `"table"` what
            tables are made of. Torch takes an array without axes for an empty one.

        Raises:
          TypeError: if it has another dtype, or something that no table holds.
          ValueError: if the writer is closed, or an array without elements has axes
            whose product, but for the zeros, is above 2**59.
        """
        if self.kind == "table":
            self._write(np.frombuffer(encode(item), np.int8))
            return
        dtype = KINDS[self.kind]
        check_unmasked(item, "What the archive is given")
        array = np.asarray(item) if hasattr(item, "__array__") else None
        if array is not None and array.dtype.hasobject:  # has no order of bytes
            array = None
        if array is None or array.dtype.newbyteorder("<") != dtype:
            raise TypeError(
                f"The archive holds {self.kind!r}: arrays of {dtype.name}, got"
                f" {describe(item)}. Convert it: np.asarray(item, np.{dtype.name})."
            )
        if is_too_long(array.shape):
            raise ValueError(
                "The archive holds arrays of at most 2**59 elements, were zeros in the"
                f" shape ones, got {describe(item)}. Give it shorter axes."
            )
        self._write(np.asarray(array, dtype, order="C"))

    def add_file(self, filename: str | os.PathLike) -> None:
        """Adds the bytes of a file as an array with one axis.

        Args:
          filename: the file; for the kind `"table"` what Torch has serialized.

        Raises:
          ValueError: if its length isn't a multiple of the element's size.
        """
        dtype, size = KINDS[self.kind], os.path.getsize(filename)
        if size % dtype.itemsize:
            raise ValueError(
                f"{os.fspath(filename)} has {size} bytes, no multiple of the"
                f" {dtype.itemsize} of {dtype.name}."
            )
        self._write(np.fromfile(filename, dtype))

    def close(self) -> None:
        """Writes the index and closes the files. Again it does nothing."""
        with self._lock:
            if self._data.closed:
                return
            os.fsync(self._data.fileno())
            self._close_files()
            write_index(self._entries.to_index(), self.index_filename)
            os.remove(name_journal(self.index_filename))

    def __enter__(self) -> "IndexedDatasetWriter":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            return self.close()
        if self._data.closed:
            return
        self._close_files()
        error.add_note(
            f"{self.index_filename} was not written. The items so far, {len(self)}, can"
            f" be saved: IndexedDatasetWriter.recover({self.index_filename!r},"
            f" {self.data_filename!r})."
        )

    def _close_files(self) -> None:
        self._data.close()
        self._journal.close()

    def _write(self, array: np.ndarray) -> None:
        """Writes the data first and then notes it, each without a buffer in between."""
        with self._lock:
            if self._data.closed:
                raise ValueError(f"The writer of {self.index_filename} is closed.")
            # Torch's empty tensor has no axes.
            shape = () if array.shape == (0,) else array.shape
            count, start = len(self._entries), self._entries.offsets[-1]
            stop, noted = start + array.size, self._journal.tell()
            try:
                if array.size:
                    _write_all(self._data, array.reshape(-1).view(np.uint8).data)
                _write_all(self._journal, pack_record(shape, stop))
                self._entries.append(shape, stop)
            except BaseException:  # a full disk, Ctrl-C: as if nothing had been added
                self._entries.keep(count)
                self._data.truncate(start * array.itemsize)
                self._journal.truncate(noted)
                self._journal.seek(noted)
                raise


def _write_all(file: FileIO, data: Any) -> None:
    while data:
        data = data[file.write(data) :]
