"""A writer's notes while it is open, and what they save of an archive if it died."""

import bisect
import contextlib
import itertools
import math
import os
import shutil
import struct
from array import array
from collections.abc import Sequence
from io import FileIO
from typing import NamedTuple

import numpy as np

from tntjax._files import as_place
from tntjax.dataset.indexed._archive import open_index
from tntjax.dataset.indexed._format import (
    CODES,
    HEADER,
    INT64,
    KINDS,
    Index,
    is_too_long,
    name_journal,
    parse_leading_items,
    write_index,
)

MAGIC, VERSION = b"TNTPART\0", 1
MOST_AXES = 64
"""NumPy has no more."""


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
        is_one = elements in possible and min(shape, default=0) >= 0
        if not is_one or is_too_long(shape):
            return
        entries.append(shape, stop)
        at = end


def recover(index_filename: str | os.PathLike, data_filename: str | os.PathLike) -> int:
    """Makes an archive that was not closed, or was cut, one of its whole items.

    The journal of the writer tells which items are whole, or the index if there is no
    journal. Nothing is thrown away: data behind these items moves to
    `data_filename + ".rest"`; an index that is cut, or where items are lost, is copied
    to `index_filename + ".old"`, the journal of lost items to
    `index_filename + ".part.old"`. If there is such a file, the new one ends in `.1`,
    then `.2`, and so on. A whole archive stays as it is.

    Not for an archive whose writer is still open. The layout does not tell which data
    an index belongs to: two files that do not belong together are refused only if their
    names or lengths tell.

    Args:
      index_filename: the `.idx` file.
      data_filename: the `.bin` file.

    Returns:
      How many items the archive has now.

    Raises:
      FileNotFoundError: if there is no data.
      ValueError: if neither a journal nor an index tells where items begin, or they
        are another program's or contradict each other; if one of the files belongs to
        another file of its name, `x.idx` to `x.bin`; if there is data and not even
        the first item of it is whole. Then nothing was changed.

    Torchnet has no counterpart.
    """
    index_name = as_place(index_filename, "recover: index_filename")
    data_name = as_place(data_filename, "recover: data_filename")
    length = os.path.getsize(data_name)
    index, journal = None, read_journal(index_name)
    with contextlib.suppress(FileNotFoundError), open(index_name, "rb") as file:
        index = parse_leading_items(file.read(), index_name)
    whole = index is not None and index.own_bytes == os.path.getsize(index_name)
    if index is not None and whole and index.num_bytes == length:
        # Items without elements may be noted all the same.
        if journal is None or journal.count != len(index) or not journal.records:
            _remove_journal(index_name)
            return len(index)
    _check_names(index_name, data_name)
    entries = _collect_items(index_name, index, journal)
    known, elements = len(entries), entries.offsets[-1]
    size = KINDS[entries.kind].itemsize
    entries.keep_up_to(length // size)
    if length and not entries.offsets[-1] and (elements or journal is None):
        raise ValueError(
            f"{data_name} has {length} bytes, but no item that {index_name} speaks of"
            " is in there whole: it is another archive's data, or was cut in its first"
            " item. Nothing was changed. Pass the data of this index, or write a new"
            " archive."
        )
    if index is not None and (not whole or len(entries) < known):
        shutil.copyfile(index_name, _find_unused_name(f"{index_name}.old"))
    _cut(data_name, entries.offsets[-1] * size)
    write_index(entries.to_index(), index_name)
    if journal is not None and len(entries) < known:
        name = name_journal(index_name)
        os.rename(name, _find_unused_name(f"{name}.old"))
    _remove_journal(index_name)
    return len(entries)


def _check_names(index_name: str, data_name: str) -> None:
    """Raises a ValueError if one file belongs to another of its name."""
    given = (index_name, data_name)
    index_of_data = f"{os.path.splitext(data_name)[0]}.idx"
    data_of_index = f"{os.path.splitext(index_name)[0]}.bin"
    for pair in ((index_name, data_of_index), (index_of_data, data_name)):
        same = list(map(os.path.realpath, pair)) == list(map(os.path.realpath, given))
        if not same and _is_archive(*pair):
            raise ValueError(
                "recover needs the index and the data of one archive, got"
                f" {index_name} and {data_name}, but {pair[1]} is the data of"
                f" {pair[0]}. Nothing was changed. Pass both files of one archive, or"
                " rename these two if they do belong together."
            )


def _is_archive(index_name: str, data_name: str) -> bool:
    """True if they are a whole archive, or one whose writer is open or died."""
    if os.path.exists(name_journal(index_name)):
        return os.path.exists(data_name)
    with contextlib.suppress(OSError, ValueError):
        return bool(open_index(index_name, data_name).kind)
    return False


def _collect_items(
    index_name: str, index: Index | None, journal: Journal | None
) -> Entries:
    """Collects the items of the journal and of the index that it goes on from."""
    name = name_journal(index_name)
    if index is not None and (journal is None or len(index) > journal.count):
        return Entries.from_index(index)  # its writer had closed, or there was none
    if journal is None:
        raise ValueError(
            f"{index_name} is missing, and {name} is too or has nothing in it:"
            " nothing tells where items begin."
        )
    entries = Entries(journal.kind) if index is None else Entries.from_index(index)
    start = (entries.kind, len(entries), entries.offsets[-1])
    if start != journal[:3]:
        raise ValueError(
            f"{name} goes on from {journal.count} items of kind {journal.kind!r}, but"
            f" {index_name} is missing or not the index of these."
        )
    replay(journal.records, entries)
    return entries


def _cut(data_name: str, length: int) -> None:
    """Moves what is in a file behind a length to a file of its own."""
    with open(data_name, "r+b") as file:
        file.seek(length)
        if file.read(1):
            file.seek(length)
            with open(_find_unused_name(f"{data_name}.rest"), "xb") as rest:
                shutil.copyfileobj(file, rest)
        file.truncate(length)


def _find_unused_name(name: str) -> str:
    """Returns the name, or if a file has it the first unused of `name.1`, `name.2`."""
    names = itertools.chain([name], (f"{name}.{n}" for n in itertools.count(1)))
    return next(name for name in names if not os.path.lexists(name))


def _remove_journal(index_name: str) -> None:
    if os.path.exists(name_journal(index_name)):
        os.remove(name_journal(index_name))
