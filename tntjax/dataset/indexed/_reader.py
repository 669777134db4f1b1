"""IndexedDatasetReader: the items of one `.idx` and `.bin` pair."""

import os
from typing import Any

from jax.core import Tracer

from tntjax._files import as_place
from tntjax._struct import flag, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import Spec, host_only
from tntjax.dataset._take import take_one_by_one
from tntjax.dataset.indexed._archive import Archive
from tntjax.dataset.indexed._torch_read import Allowance


@pytree
class IndexedDatasetReader(IndexMap):
    """The items of one archive, as samples without a name.

    An item is an array of its own, or what was stored as a table. Otherwise as
    `IndexedDataset`, which reads several archives side by side.

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
      >>> import numpy as np
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

    Purpose: a single archive, of arrays or tables.

    Torchnet: `dataset/indexeddataset.lua`. There one file handle was shared by all who
    read, and nothing was compared with the length of the data.
    """

    index_filename: str | os.PathLike = static()
    data_filename: str | os.PathLike = static()
    mmap: bool = flag(default=True)
    archive: Archive = static(init=False)

    def __post_init__(self) -> None:
        names = {
            name: as_place(getattr(self, name), f"IndexedDatasetReader: {name}")
            for name in ("index_filename", "data_filename")
        }
        vars(self).update(names, archive=Archive(**names))

    @property
    def kind(self) -> str:
        """Torchnet's name of the type, `"byte"` to `"double"` or `"table"`."""
        return self.archive.kind

    def __len__(self) -> int:
        return len(self.archive)

    def __repr__(self) -> str:
        return f"IndexedDatasetReader({self.index_filename!r}, {self.data_filename!r})"

    def _get(self, index: int) -> Sample:
        return self.archive[index]

    def _take(self, rows: Any) -> Sample:
        return take_items(self, self.archive, rows)

    @property
    def spec(self) -> Spec:
        """The items from the first on that have one shape."""
        return super().spec._replace(alike=self.archive.alike)


def take_items(
    dataset: IndexMap, archive: Archive, rows: Any, field: str | None = None
) -> Any:
    """Stacks items of rows [*S] in the quickest way; `field` names them in errors."""
    if isinstance(rows, Tracer):
        raise host_only(dataset)
    flat = rows.reshape(-1)
    column = archive.read_rows(flat) if flat.size else None
    if column is not None:
        return column.reshape(rows.shape + column.shape[1:])
    allowance = Allowance()  # one for all, or many small items could take any memory

    def read(item: int) -> Sample:
        value = archive.get(item, allowance)
        return value if field is None else {field: value}

    batch = take_one_by_one(archive, rows, lambda items: map(read, items))
    return batch if field is None else batch[field]
