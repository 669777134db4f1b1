"""Notes of a writer while it is open, so that a crash loses no whole item."""

import bisect
import math
import os
import struct
from array import array
from collections.abc import Sequence
from io import FileIO
from typing import NamedTuple

import numpy as np

from tntjax.dataset.indexed._format import CODES, HEADER, INT64, KINDS, Index

MAGIC, VERSION = b"TNTPART\0", 1
MOST_AXES = 64
"""NumPy has no more."""


def name_journal(index_filename: str) -> str:
    """Names the journal beside an index, by whatever link that is reached."""
    whole = os.path.realpath(index_filename) if os.path.islink(index_filename) else None
    return f"{whole or index_filename}.part"


class Entries:
    """An index that grows."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.dims, self.offsets = array("q", [0]), array("q", [0])
        self.sizes = array("q")

    @classmethod
    def from_index(cls, index: Index) -> "Entries":
        """Copies what an index holds, to go on from."""
        entries = cls(index.kind)
        for name in ("dims", "offsets", "sizes"):
            numbers = getattr(index, name).astype(np.int64)
            setattr(entries, name, array("q", numbers.tobytes()))
        return entries

    def __len__(self) -> int:
        return len(self.dims) - 1

    def append(self, shape: Sequence[int], stop: int) -> None:
        """Adds an item that ends at element `stop`."""
        self.sizes.extend(shape)
        self.dims.append(len(self.sizes))
        self.offsets.append(stop)

    def to_index(self) -> Index:
        """Returns the index so far; let go of it before adding more."""
        parts = (self.dims, self.offsets, self.sizes)
        return Index(self.kind, *(np.asarray(part, INT64) for part in parts))

    def keep(self, count: int) -> None:
        """Drops the items behind the first `count`."""
        del self.offsets[count + 1 :], self.dims[count + 1 :]
        del self.sizes[self.dims[-1] :]

    def keep_up_to(self, stop: int) -> None:
        """Drops the items that do not end at element `stop` or before."""
        self.keep(bisect.bisect_right(self.offsets, stop) - 1)


def start_journal(entries: Entries, index_filename: str) -> FileIO:
    """Creates the journal, which must not exist, and notes where the writer starts."""
    name = name_journal(index_filename)
    try:
        file = open(name, "xb", buffering=0)
    except FileExistsError as error:
        raise ValueError(
            f"There is {name}: a writer is still open, or died before close()."
            f" Then save its items, IndexedDatasetWriter.recover({index_filename!r},"
            f" data_filename), or delete {name} to give them up."
        ) from error
    size = KINDS[entries.kind].itemsize
    head = (CODES[entries.kind], size, len(entries), entries.offsets[-1])
    file.write(HEADER.pack(MAGIC, VERSION, *head))
    return file


def pack_record(shape: Sequence[int], stop: int) -> bytes:
    """Packs what is noted of an item: the number of axes, the sizes, the end."""
    return struct.pack(f"<{len(shape) + 2}q", len(shape), *shape, stop)


class Journal(NamedTuple):
    """Content of a journal: how many items and elements there were, and what came."""

    kind: str
    count: int
    elements: int
    records: bytes


def read_journal(index_filename: str) -> Journal | None:
    """Reads the journal beside an index, or returns None for none or its beginning."""
    name = name_journal(index_filename)
    try:
        with open(name, "rb") as file:
            buffer = file.read()
    except FileNotFoundError:
        return None
    if len(buffer) < HEADER.size:
        return None
    magic, version, code, _, count, elements = HEADER.unpack_from(buffer)
    if (magic, version) != (MAGIC, VERSION) or not 1 <= code <= len(KINDS):
        raise ValueError(f"{name} is not a journal of an IndexedDatasetWriter.")
    return Journal(list(KINDS)[code - 1], count, elements, buffer[HEADER.size :])


def replay(records: bytes, entries: Entries) -> None:
    """Appends what is noted, up to where the journal is torn or makes no sense."""
    at = 0
    while at + 16 <= len(records):
        (axes,) = struct.unpack_from("<q", records, at)
        end = at + 8 * (axes + 2)
        if not 0 <= axes <= MOST_AXES or end > len(records):
            return
        *shape, stop = struct.unpack_from(f"<{axes + 1}q", records, at + 8)
        elements = stop - entries.offsets[-1]
        possible = (math.prod(shape),) if shape else (0, 1)
        if elements not in possible or min(shape, default=0) < 0:
            return
        entries.append(shape, stop)
        at = end
