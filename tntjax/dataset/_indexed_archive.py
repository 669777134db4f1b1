"""An index and its data, open for reading."""

import mmap as mapping
import os
import weakref
from typing import Any

import numpy as np

from tntjax.dataset._indexed_format import (
    KINDS,
    Index,
    check_length,
    common_axes,
    count_alike,
    parse_index,
    shape_of,
)
from tntjax.dataset._indexed_journal import journal_name
from tntjax.dataset._torch_read import decode

MAPPED_BYTES = 144 << 20
"""How much of the data single items are read from through the map.

Pages of a map that were looked at count as memory of the process until the system
wants them back, so beyond this items are read from the file. That takes a little
longer, and the memory is bounded however long the data.
"""


class Archive:
    """Reads items by number, from any thread. Unpickled, it opens its files again."""

    def __init__(self, index_filename: str, data_filename: str, mmap: bool) -> None:
        self.names = (index_filename, data_filename)
        self.mmap = mmap = mmap or not hasattr(os, "preadv")
        buffer = _index_bytes(index_filename, data_filename, mmap)
        self.index = parse_index(buffer, index_filename)
        self.count = len(self.index)
        self.dtype = KINDS[self.index.kind]
        self.itemsize = self.dtype.itemsize
        self.table = self.index.kind == "table"
        self.axes = common_axes(self.index)
        self.alike = 0 if self.table else count_alike(self.index)
        self.plain = self.axes == 1 and not self.table
        # A memoryview gives ints, and sooner than an array gives numbers of its own.
        self.offsets = np.asarray(self.index.offsets, np.int64).data
        binary = getattr(os, "O_BINARY", 0)  # of Windows
        self.file = os.open(data_filename, os.O_RDONLY | binary)
        weakref.finalize(self, os.close, self.file)
        length = os.fstat(self.file).st_size
        check_length(self.index, length, index_filename, data_filename)
        empty = not length or not mmap
        mapped = b"" if empty else _mapped(self.file)
        self.elements = np.frombuffer(mapped, self.dtype)  # [E], or [0] without a map
        most = MAPPED_BYTES // self.itemsize
        self.limit = len(self.elements)  # items that end below are read from the map
        if hasattr(os, "preadv"):
            self.limit = min(self.limit, most)

    def __reduce__(self) -> tuple:
        return Archive, (*self.names, self.mmap)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> Any:
        """Reads one item, of those there are, into memory of its own."""
        offsets = self.offsets
        start, stop = offsets[item], offsets[item + 1]
        if stop <= self.limit:
            array = self.elements[start:stop].copy()
        else:
            array: Any = np.empty(stop - start, self.dtype)
            size = self.itemsize
            at = start * size
            if os.preadv(self.file, (array,), at) < stop * size - at:
                self._fill(array, at)
        if self.plain:
            return array
        if self.table:
            return self._decoded(array, item)
        return array.reshape(shape_of(self.index, item))

    def rows(self, items: np.ndarray) -> np.ndarray | None:
        """Reads items of one shape, at least one: a view if they are consecutive.

        Returns None if their shapes differ, or if they are tables.
        """
        shape = None if self.table else self._common_shape(items)
        if shape is None:
            return None
        starts = self.index.offsets[items]
        count = int(self.index.offsets[items[0] + 1] - starts[0])
        consecutive = len(self.elements) and (np.diff(items) == 1).all()
        if consecutive:
            start = int(starts[0])
            flat = self.elements[start : start + count * len(items)]
        elif self.alike == self.count and self.limit == self.index.offsets[-1]:
            flat = self.elements.reshape(self.count, count).take(items, axis=0)
        else:
            flat = np.empty((len(items), count), self.dtype)
            for row, start in zip(flat, starts.tolist(), strict=True):
                if start + count <= self.limit:
                    row[:] = self.elements[start : start + count]
                else:
                    self._fill(row, start * self.itemsize)
        return flat.reshape(len(items), *shape)

    def _common_shape(self, items: np.ndarray) -> tuple[int, ...] | None:
        if self.axes is None:
            return None
        if self.alike < self.count:
            starts, stops = self.index.offsets[items], self.index.offsets[items + 1]
            counts = stops - starts
            shapes = self.index.sizes.reshape(self.count, self.axes)[items]
            if (counts != counts[0]).any() or (shapes != shapes[0]).any():
                return None
        return shape_of(self.index, int(items[0]))

    def _fill(self, array: Any, at: int) -> None:
        """Reads from byte `at` of the file on; one call reads 2 GiB at most."""
        rest = memoryview(array.reshape(-1).view(np.uint8))  # which may be empty
        while len(rest):
            count = os.preadv(self.file, (rest,), at)
            if not count:
                raise ValueError(f"{self.names[1]} was cut while it was open.")
            rest, at = rest[count:], at + count

    def _decoded(self, array: np.ndarray, item: int) -> Any:
        try:
            return decode(array)
        except ValueError as error:
            error.add_note(f"Item {item} of {self.names[1]}.")
            raise


def _index_bytes(index_filename: str, data_filename: str, mmap: bool) -> Any:
    try:
        with open(index_filename, "rb") as file:
            empty = not os.fstat(file.fileno()).st_size
            return file.read() if empty or not mmap else _mapped(file.fileno())
    except FileNotFoundError as error:
        if not os.path.exists(journal_name(index_filename)):
            raise
        raise ValueError(
            f"{index_filename} is not there yet: its writer is still open, or died"
            f" before close(). Then IndexedDatasetWriter.recover({index_filename!r},"
            f" {data_filename!r}) saves the items that are whole."
        ) from error


def _mapped(file: int) -> mapping.mmap:
    return mapping.mmap(file, 0, access=mapping.ACCESS_READ)


def open_index(index_filename: str, data_filename: str) -> Index:
    """Reads an index into memory, after checking that it fits the data."""
    buffer = _index_bytes(index_filename, data_filename, False)
    index = parse_index(buffer, index_filename)
    length = os.path.getsize(data_filename)
    check_length(index, length, index_filename, data_filename)
    return index
