"""An index and its data, open for reading."""

import math
import os
import threading
import weakref
from typing import Any

import numpy as np

from tntjax._array import empty_aligned
from tntjax.dataset.indexed._format import (
    KINDS,
    Index,
    check_length,
    count_alike,
    find_common_axes,
    find_shape,
    name_journal,
    parse_index,
)
from tntjax.dataset.indexed._torch_read import Allowance, decode


class Archive:
    """Reads items by number, from any thread. Unpickled, it opens its files again."""

    def __init__(self, index_filename: str, data_filename: str) -> None:
        self.names = (index_filename, data_filename)
        index = open_index(index_filename, data_filename)
        self.kind, self.count = index.kind, len(index)
        self.dtype = KINDS[self.kind]
        self.itemsize = self.dtype.itemsize
        self.table = self.kind == "table"
        self.alike = 0 if self.table else count_alike(index)
        self.axes = find_common_axes(index)
        self.plain = self.axes == 1 and not self.table
        self.shape = find_shape(index, 0) if 0 < self.alike == self.count else None
        known = self.plain or self.shape is not None
        self.index = None if known else index
        starts = np.asarray(index.offsets, np.int64)
        self.starts = starts.copy() if known else starts  # lets go of the index
        # A memoryview gives ints, and sooner than an array gives numbers of its own.
        self.offsets = self.starts.data
        self.read = getattr(os, "preadv", _seek_and_read)
        binary = getattr(os, "O_BINARY", 0)  # of Windows
        self.file = os.open(data_filename, os.O_RDONLY | binary)
        weakref.finalize(self, os.close, self.file)

    def __reduce__(self) -> tuple:
        return Archive, self.names

    def __len__(self) -> int:
        return self.count

    def get(self, item: int, allowance: Allowance | None = None) -> Any:
        """Reads one item, of those there are, into memory of its own."""
        offsets, size = self.offsets, self.itemsize
        start = offsets[item]
        count = offsets[item + 1] - start
        array: Any = np.empty(count, self.dtype)
        if self.read(self.file, (array,), start * size) < count * size:
            self._fill(array, start * size)
        if self.plain:
            return array
        if not self.table:
            return array.reshape(self._shape(item))
        try:
            return decode(array, allowance)
        except ValueError as error:
            error.add_note(f"Item {item} of {self.names[1]}.")
            raise

    __getitem__ = get

    def read_rows(self, items: np.ndarray) -> np.ndarray | None:
        """Reads items of one shape, at least one; None if they differ or are tables."""
        shape = None if self.table else self._common_shape(items)
        if shape is None:
            return None
        flat = empty_aligned((len(items), math.prod(shape)), self.dtype)
        size = flat.shape[1] * self.itemsize
        if size:
            view = flat.reshape(-1).view(np.uint8).data
            # Items that follow one another are read in one go.
            first = np.flatnonzero(np.diff(items, prepend=-2) != 1)  # of each run
            ends = np.append(first[1:], len(items)) * size
            places = self.starts[items[first]] * self.itemsize
            runs = np.stack([first * size, ends, places], 1).tolist()
            for run, end, at in runs:
                part = view[run:end]
                if self.read(self.file, (part,), at) < end - run:
                    self._fill(part, at)
        return flat.reshape(len(items), *shape)

    def _shape(self, item: int) -> tuple[int, ...]:
        if self.index is not None:
            return find_shape(self.index, item)
        if self.shape is not None:
            return self.shape
        return (self.offsets[item + 1] - self.offsets[item],)

    def _common_shape(self, items: np.ndarray) -> tuple[int, ...] | None:
        if self.axes is None:
            return None
        if self.alike < self.count:
            counts = self.starts[items + 1] - self.starts[items]
            if (counts != counts[0]).any():
                return None
            if self.index is not None:
                shapes = self.index.sizes.reshape(self.count, self.axes)[items]
                if (shapes != shapes[0]).any():
                    return None
        return self._shape(int(items[0]))

    def _fill(self, array: Any, at: int) -> None:
        """Reads from byte `at` of the file on; one call reads 2 GiB at most."""
        rest = memoryview(array).cast("B")
        while len(rest):
            count = self.read(self.file, (rest,), at)
            if not count:
                size = os.fstat(self.file).st_size
                raise ValueError(
                    f"{self.names[1]} was cut while it was open: it has {size} bytes,"
                    f" and what was asked for ends at {at + len(rest)}. Copy it again."
                )
            rest, at = rest[count:], at + count


def _seek_and_read(file: int, buffers: tuple[Any], at: int) -> int:
    """Reads as `os.preadv` does, on systems that lack it."""
    rest = memoryview(buffers[0]).cast("B")
    with _ONE_AT_A_TIME:
        os.lseek(file, at, os.SEEK_SET)
        data = os.read(file, len(rest))
    rest[: len(data)] = data
    return len(data)


_ONE_AT_A_TIME = threading.Lock()
"""For who moves the place in a file that is read from."""


def open_index(index_filename: str, data_filename: str) -> Index:
    """Reads an index into memory, after checking that it fits the data."""
    try:
        with open(index_filename, "rb") as file:
            index = parse_index(file.read(), index_filename)
    except FileNotFoundError as error:
        if not os.path.exists(name_journal(index_filename)):
            raise
        raise ValueError(
            f"{index_filename} is not there yet: its writer is still open, or died"
            f" before close(). Then IndexedDatasetWriter.recover({index_filename!r},"
            f" {data_filename!r}) saves the items that are whole."
        ) from error
    length = os.path.getsize(data_filename)
    check_length(index, length, index_filename, data_filename)
    return index
