"""IndexedDataset: arrays of any shape from Torchnet's archives."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tntjax._files import as_place
from tntjax._numbers import check_max_load
from tntjax._struct import describe, flag, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import Spec
from tntjax.dataset.indexed._archive import Archive
from tntjax.dataset.indexed._reader import take_items


@pytree
class IndexedDataset(IndexMap):
    """Samples from archives, one for each field, that were written side by side.

    Archives are read where they lie, whatever their size: only where items start, 8
    bytes for each, comes into memory. A sample or batch is a copy. Safe between threads
    and processes; pickled it goes by the names of its files. Data that is cut while it
    is open is a ValueError where an item is missing.

    Args:
      fields: with `path` a list of names, whose archives are `path/NAME.idx` and
        `path/NAME.bin`; without, a mapping `{name: {"idx": file, "bin": file}}`.
      path: the folder of the archives.
      max_load: how many samples to keep at most, None for all.
      mmap: Torchnet's argument, which changes nothing: files are read and never mapped,
        since a map of a file that is cut ends the process.
      standalone: with one field, samples are its items themselves, not `{name: item}`.

    Raises:
      FileNotFoundError: if a file is missing.
      TypeError: if `fields` is neither form, or `max_load` not an integer.
      ValueError: if there is no field, or one twice, or `standalone` comes with
        several, if lengths differ, `max_load` is below 1, or an archive is not whole
        or not Torchnet's.

    Example:
      >>> import tempfile
      >>> import numpy as np
      >>> import tntjax as tnt
      >>> folder = tempfile.TemporaryDirectory()
      >>> for name, kind, dtype in [("input", "float", "f4"), ("target", "long", "i8")]:
      ...     names = f"{folder.name}/{name}.idx", f"{folder.name}/{name}.bin"
      ...     with tnt.IndexedDatasetWriter(*names, kind) as writer:
      ...         for number in range(3):
      ...             writer.add(np.full(2, number, dtype))
      >>> dataset = tnt.IndexedDataset(["input", "target"], path=folder.name)
      >>> len(dataset), dataset[2]["input"].tolist()
      (3, [2.0, 2.0])
      >>> dataset.take([1, 0])["target"].tolist()
      [[1, 1], [0, 0]]
      >>> folder.cleanup()

    Purpose: many small things in two large files, which file systems like better.

    Torchnet: `dataset/indexeddataset.lua`, the same files. There is no `mmapidx`, and
    archives are checked when opened.
    """

    fields: Sequence[str] | Mapping[str, Mapping[str, str]] = static()
    path: str | os.PathLike | None = static(default=None)
    max_load: int | None = static(default=None)
    mmap: bool = flag(default=True)
    standalone: bool = flag(default=False)
    archives: tuple[tuple[str, Archive], ...] = static(init=False)
    size: int = static(init=False)

    def __post_init__(self) -> None:
        check_max_load(self.max_load, "IndexedDataset")
        path = self.path
        if path is not None:
            path = as_place(path, "IndexedDataset: path")
        files = _files(self.fields, path)
        if isinstance(self.fields, Sequence) and len(files) < len(self.fields):
            raise ValueError(
                f"IndexedDataset needs each field once, got {describe(self.fields)}."
            )
        if not files or (self.standalone and len(files) > 1):
            number = "exactly one field" if self.standalone else "a field"
            raise ValueError(f"IndexedDataset needs {number}, got {list(files)}.")
        archives = {name: Archive(*pair) for name, pair in files.items()}
        lengths = {name: len(archive) for name, archive in archives.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"IndexedDataset needs archives of equal lengths, got {lengths}."
            )
        # Tuples, since what JAX caches on must be hashable.
        pairs = tuple((n, (("idx", i), ("bin", b))) for n, (i, b) in files.items())
        derived = {
            "fields": pairs if path is None else tuple(files),
            "path": path,
            "size": min(self.max_load or 2**63, *lengths.values()),
            "archives": tuple(archives.items()),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        names = [name for name, _ in self.archives]
        where = "" if self.path is None else f", path={self.path!r}"
        alone = ", standalone=True" if self.standalone else ""
        return f"IndexedDataset({names}{where}{alone}: {self.size} samples)"

    def _get(self, index: int) -> Sample:
        if self.standalone:
            return self.archives[0][1][index]
        sample = {}
        for name, archive in self.archives:  # quicker than a comprehension
            sample[name] = archive[index]
        return sample

    def _take(self, rows: Any) -> Sample:

        if self.standalone:
            return take_items(self, self.archives[0][1], rows)
        return {
            name: take_items(self, archive, rows, name)
            for name, archive in self.archives
        }

    @property
    def spec(self) -> Spec:
        """The samples from the first on that have the same shapes."""
        alike = min(self.size, *(archive.alike for _, archive in self.archives))
        return super().spec._replace(alike=alike)


def _files(fields: Any, path: Any) -> dict[str, tuple[str, str]]:
    """Makes `{name: (index_filename, data_filename)}` of either form of `fields`."""
    if path is not None:
        names = isinstance(fields, Sequence) and not isinstance(fields, str)
        if not names or not all(isinstance(name, str) for name in fields):
            raise TypeError(
                "IndexedDataset with path=... needs a list of names, got"
                f" {describe(fields)}."
            )
        stems = {name: os.path.join(path, name) for name in fields}
        return {name: (f"{stem}.idx", f"{stem}.bin") for name, stem in stems.items()}
    try:
        pairs = {name: dict(pair) for name, pair in dict(fields).items()}
        places = {name: (pair["idx"], pair["bin"]) for name, pair in pairs.items()}
        place = functools.partial(as_place, subject="IndexedDataset: a file")
        return {name: (place(i), place(b)) for name, (i, b) in places.items()}
    except (TypeError, ValueError, KeyError) as error:
        raise TypeError(
            'IndexedDataset without path=... needs {name: {"idx": file, "bin": file}},'
            f" got {describe(fields)}."
        ) from error
