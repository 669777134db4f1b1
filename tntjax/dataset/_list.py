"""ListDataset: a list of items and a function that loads one."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tntjax._check import check_function
from tntjax._files import as_text
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax._types import Sample, is_dataset
from tntjax.dataset._index_map import IndexMap
from tntjax.utils import load_list


@pytree
class ListDataset(IndexMap):
    """Samples that a function makes from the items of a list.

    Args:
      list: any sequence of items, a NumPy array included.
      load: `item -> sample`, called at each get: equal items must give equal samples.
        It may be called from several threads.
      path: a folder to put before each item: `load(f"{path}/{item}")`.

    Raises:
      TypeError: if `load` is not a function, `list` not a sequence or a string, or
        `path` not a path.

    Example:
      >>> dataset = ListDataset(["a", "bb"], load=len)
      >>> [dataset[i] for i in range(len(dataset))]
      [1, 2]

    Purpose: files that are read when their turn comes.

    Torchnet: `dataset/listdataset.lua`. Its form with a file name is `from_file`.
    """

    list: Sequence[Any] = child(Opaque)
    load: Callable[[Any], Sample] = static()
    path: str | os.PathLike | None = static(default=None)

    def __post_init__(self) -> None:
        if self.path is not None:
            object.__setattr__(self, "path", as_text(self.path, "ListDataset: path"))
        check_function(self.load, "ListDataset needs a function, but load")
        if isinstance(self.list, str | bytes) or not is_dataset(self.list):
            raise TypeError(
                f"ListDataset needs a sequence of items, got {type(self.list).__name__}"
                " (for the lines of a file: ListDataset.from_file(filename, load))."
            )

    @classmethod
    def from_file(
        cls,
        filename: str | os.PathLike,
        load: Callable[[str], Sample],
        max_load: int | None = None,
        path: str | os.PathLike | None = None,
    ) -> "ListDataset":
        r"""Makes the list from the lines of a UTF-8 file.

        Args:
          filename: a text file, one item a line. Lines end at `\n` or `\r\n` only.
          load: `line -> sample`.
          max_load: how many lines to read at most, None for all.
          path: a folder to put before each line.

        Raises:
          TypeError: if `max_load` is not an integer.
          ValueError: if it is below 1.
        """
        return cls(load_list(filename, max_load), load, path)

    def __len__(self) -> int:
        return len(self.list)

    def _get(self, index: int) -> Sample:
        return next(self._read_each([index]))

    def _read_each(self, rows: Iterable[int]) -> Iterator[Sample]:
        items, load, path = self.list, self.load, self.path
        for index in rows:  # pragma: no branch - nobody reads past the last
            item = items[index]
            try:
                sample = load(item if path is None else f"{path}/{item}")
            except Exception as error:
                error.add_note(
                    f"ListDataset: while loading sample {index}, {describe(item)}."
                )
                raise
            yield sample
