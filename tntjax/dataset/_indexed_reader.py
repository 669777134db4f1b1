"""IndexedDatasetReader: the items of one `.idx` and `.bin` pair."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax._types import Sample
from tntjax.dataset._indexed_archive import Archive
from tntjax.dataset._take import (
    check_index,
    check_indices,
    host_only,
    in_order,
    take_one_by_one,
    with_flat,
)
from tntjax.dataset._torch_read import Allowance


@pytree
class IndexedDatasetReader:
    """The items of one archive, as samples without a name.

    The index is checked against the data when it is opened. An item is an array of its
    own, or what was stored as a table. Safe to read from several threads; pickled it
    goes by the names of its files, which are opened again. Data that is cut while it is
    open is a ValueError where an item is missing.

    Args:
      index_filename: the `.idx` file.
      data_filename: the `.bin` file.
      mmap: changes nothing, as in `IndexedDataset`.

    Raises:
      FileNotFoundError: if a file is missing.
      ValueError: if the index is another program's, is damaged, or does not fit the
        data, as when its writer died.

    Example:
      >>> import tempfile
      >>> import tntjax as tnt
      >>> folder = tempfile.TemporaryDirectory()
      >>> names = f"{folder.name}/x.idx", f"{folder.name}/x.bin"
      >>> with tnt.IndexedDatasetWriter(*names, "int") as writer:
      ...     writer.add(np.array([1, 2], np.int32))
      ...     writer.add(np.array([3], np.int32))
      >>> reader = tnt.IndexedDatasetReader(*names)
      >>> len(reader), reader.kind, reader[0].tolist()
      (2, 'int', [1, 2])
      >>> folder.cleanup()

    Purpose: a single archive; `IndexedDataset` reads several side by side.

    Torchnet: `dataset/indexeddataset.lua`. There one file handle was shared by all who
    read, and nothing was compared with the length of the data.
    """

    index_filename: str = static()
    data_filename: str = static()
    mmap: bool = static(default=True)
    archive: Archive = static(init=False)

    def __post_init__(self) -> None:
        for name in ("index_filename", "data_filename"):
            object.__setattr__(self, name, os.fspath(getattr(self, name)))
        archive = Archive(self.index_filename, self.data_filename)
        object.__setattr__(self, "archive", archive)

    @property
    def kind(self) -> str:
        """Torchnet's name of the type, `"byte"` to `"double"` or `"table"`."""
        return self.archive.kind

    def __len__(self) -> int:
        return len(self.archive)

    __iter__ = in_order

    def __repr__(self) -> str:
        return f"IndexedDatasetReader({self.index_filename!r}, {self.data_filename!r})"

    def __getitem__(self, index: int) -> Sample:
        if type(index) is not int or not 0 <= index < self.archive.count:
            index = host_index(self, index)
        return self.archive[index]

    def take(self, indices: ArrayLike) -> Sample:
        """Reads many items at once.

        Args:
          indices: integers of any shape S, not traced.

        Returns:
          The items of one shape as an array [*S, ...] of its own. Items that follow one
          another are read in one go. Tables are stacked.

        Raises:
          IndexError: if an index is out of range.
          TypeError: if `indices` are traced.
          ValueError: if items differ in their shape, or the data was cut meanwhile.
        """
        rows = host_indices(self, indices)
        return with_flat(lambda flat: take_items(self.archive, flat, None), rows)

    @property
    def uniform_length(self) -> int:
        """How many items from the first on have one shape."""
        return self.archive.alike


def take_items(archive: Archive, rows: np.ndarray, field: str | None) -> Any:
    """Items stacked, by the quickest way; `field` is their name in errors."""
    column = archive.rows(rows) if rows.size else None
    if column is not None:
        return column
    allowance = Allowance()

    def samples(items: list[int]) -> Iterator[Sample]:
        for item in items:
            value = archive.get(item, allowance)
            yield value if field is None else {field: value}

    batch = take_one_by_one(archive, rows, samples)
    return batch if field is None else batch[field]


def host_index(dataset: Any, index: Any) -> int:
    """Returns an index in range as an int, or raises, as for a traced one."""
    index = check_index(dataset, index)
    if isinstance(index, Tracer):
        raise host_only(dataset)
    return index


def host_indices(dataset: Any, indices: Any) -> np.ndarray:
    """Returns indices as a NumPy array, in range."""
    rows = check_indices(dataset, indices)
    if isinstance(rows, Tracer):
        raise host_only(dataset)
    return rows
