"""Saving what is whole of an archive whose writer died."""

import os
import shutil

from tntjax.dataset._indexed_format import KINDS, Index, leading_items, write_index
from tntjax.dataset._indexed_journal import (
    Entries,
    Journal,
    journal_name,
    read_journal,
    replay,
)


def recover(index_filename: str | os.PathLike, data_filename: str | os.PathLike) -> int:
    """Makes an archive that was not closed, or was cut, one of its whole items.

    The journal of the writer tells which items are whole, or the index if there is no
    journal. Nothing is thrown away: data behind these items, such as part of one more,
    moves to `data_filename + ".rest"`, and an index that is cut, or speaks of more
    items, is copied to `index_filename + ".old"`. A whole archive stays as it is.

    Not for an archive whose writer is still open.

    Args:
      index_filename: the `.idx` file.
      data_filename: the `.bin` file.

    Returns:
      How many items the archive has now.

    Raises:
      FileNotFoundError: if there is no data.
      ValueError: if neither a journal nor an index tells where items begin, or they
        are another program's or contradict each other.

    Torchnet has no counterpart.
    """
    index_name, data_name = os.fspath(index_filename), os.fspath(data_filename)
    length = os.path.getsize(data_name)
    index, journal = _old_index(index_name), read_journal(index_name)
    whole = index is not None and index.own_bytes == os.path.getsize(index_name)
    if index is not None and whole and index.num_bytes == length:
        # Items without elements may be noted all the same.
        if journal is None or journal.count != len(index) or not journal.records:
            _remove_journal(index_name)
            return len(index)
    entries = _known_items(index_name, index, journal)
    size = KINDS[entries.kind].itemsize
    entries.keep_up_to(length // size)
    if index is not None and (not whole or len(entries) < len(index)):
        shutil.copyfile(index_name, f"{index_name}.old")
    _cut(data_name, entries.offsets[-1] * size)
    write_index(entries.index(), index_name)
    _remove_journal(index_name)
    return len(entries)


def _old_index(index_name: str) -> Index | None:
    try:
        with open(index_name, "rb") as file:
            return leading_items(file.read(), index_name)
    except FileNotFoundError:
        return None


def _known_items(
    index_name: str, index: Index | None, journal: Journal | None
) -> Entries:
    """All items that the journal and the index that it goes on from speak of."""
    name = journal_name(index_name)
    if index is not None and (journal is None or len(index) > journal.count):
        return Entries.of(index)  # its writer had closed, or there was none
    if journal is None:
        raise ValueError(
            f"{index_name} is missing, and {name} is too or has nothing in it:"
            " nothing tells where items begin."
        )
    entries = Entries(journal.kind) if index is None else Entries.of(index)
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
            with open(f"{data_name}.rest", "ab") as rest:
                shutil.copyfileobj(file, rest)
        file.truncate(length)


def _remove_journal(index_name: str) -> None:
    if os.path.exists(journal_name(index_name)):
        os.remove(journal_name(index_name))
