"""Saving what is whole of an archive whose writer died."""

import itertools
import os
import shutil

from tntjax.dataset.indexed._archive import open_index
from tntjax.dataset.indexed._format import (
    KINDS,
    Index,
    parse_leading_items,
    write_index,
)
from tntjax.dataset.indexed._journal import (
    Entries,
    Journal,
    name_journal,
    read_journal,
    replay,
)


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
    index_name, data_name = os.fspath(index_filename), os.fspath(data_filename)
    length = os.path.getsize(data_name)
    index, journal = _read_old_index(index_name), read_journal(index_name)
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
    try:
        open_index(index_name, data_name)
    except (OSError, ValueError):
        return False
    return True


def _read_old_index(index_name: str) -> Index | None:
    try:
        with open(index_name, "rb") as file:
            return parse_leading_items(file.read(), index_name)
    except FileNotFoundError:
        return None


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
