"""TableDataset: columns of equal length."""

from functools import cached_property, partial
from operator import methodcaller
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from tntjax._array import LARGE, as_array, check_unmasked
from tntjax._struct import describe, pytree
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import Spec, bytes_of
from tntjax.dataset._take import gather, is_plain, take_rows


@pytree
class TableDataset(IndexMap):
    """Samples that are the rows of arrays.

    With NumPy arrays a sample is a copy of its row, on the host. After
    `jax.device_put(dataset)` compiled code gathers them on the device.

    Args:
      data: one array [N, ...], or a dict or tuple of them, which may be nested. Of
        a tensor of torch it is NumPy's array over the same memory.

    Raises:
      TypeError: if a leaf is not an array, or a masked one.
      ValueError: if there is no array, their lengths differ, or the keys of a dict are
        not of one type.

    Example:
      >>> import numpy as np
      >>> dataset = TableDataset({"input": np.eye(3), "target": np.arange(3)})
      >>> len(dataset), dataset[2]["input"].tolist()
      (3, [0.0, 0.0, 1.0])
      >>> dataset.take([[0, 2]])["target"].tolist()
      [[0, 2]]

    Purpose: whatever fits in memory.

    Torchnet: `dataset/tabledataset.lua`, a list of samples with deep copies. A list of
    samples is a dataset itself here; columns make many samples one gather.
    """

    data: Any

    def __post_init__(self) -> None:
        try:
            leaves = jax.tree_util.tree_leaves_with_path(
                self.data, is_leaf=lambda node: isinstance(node, list)
            )
        except ValueError as error:
            raise ValueError(
                "TableDataset needs dicts with keys of one type, as JAX sorts them; got"
                f" {describe(self.data)}."
            ) from error
        if not leaves:
            raise ValueError("TableDataset needs at least one array, got none.")
        lengths = {}
        for path, leaf in leaves:
            where = f"data{jax.tree_util.keystr(path)}"
            if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
                raise TypeError(
                    f"TableDataset needs arrays, got {where} = {describe(leaf)}."
                    " Wrap a list of numbers in np.asarray, and keep a list of samples"
                    " as it is: it is a dataset."
                )
            if hasattr(leaf, "iloc"):  # pandas would read it by label
                raise TypeError(
                    f"TableDataset needs arrays, and {where} is of pandas, which reads"
                    f" it by its labels: write {where}.to_numpy()."
                )
            check_unmasked(leaf, f"TableDataset needs other arrays; {where}")
            if not leaf.shape:
                raise ValueError(f"TableDataset needs arrays [N, ...]; {where} is [].")
            lengths[where] = leaf.shape[0]
        if len(set(lengths.values())) > 1:
            raise ValueError(f"TableDataset needs equal lengths, got {lengths}.")
        if any(map(_is_foreign, jax.tree.leaves(self.data))):
            data = jax.tree.map(
                lambda x: as_array(x) if _is_foreign(x) else x, self.data
            )
            object.__setattr__(self, "data", data)

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.data)[0])

    @cached_property
    def _on_host(self) -> bool:
        leaves = jax.tree.leaves(self.data)
        return all(type(leaf) is np.ndarray and is_plain(leaf) for leaf in leaves)

    @cached_property
    def _row_bytes(self) -> int:
        return bytes_of(self.data) // max(1, len(self))

    def _get(self, index: int) -> Sample:
        return self._take(index)

    def _take(self, rows: Any) -> Sample:
        if self._on_host and not isinstance(rows, Tracer):
            size = rows.size * self._row_bytes if isinstance(rows, np.ndarray) else 0
            read = methodcaller("take", rows, axis=0)  # of little the same, sooner
            return jax.tree.map(
                read if size < LARGE else partial(take_rows, indices=rows), self.data
            )
        return jax.tree.map(lambda leaf: gather(leaf, rows, "TableDataset"), self.data)

    @property
    def spec(self) -> Spec:
        """All rows are alike, and an array tells what one takes."""
        arrays = jax.tree.leaves(self.data)
        on_device = any(isinstance(leaf, jax.Array) for leaf in arrays)
        return Spec(len(self), on_device, lambda: self._row_bytes)


def _is_foreign(leaf: Any) -> bool:
    """True for an array in memory that JAX does not take: torch's, or other bytes."""
    if isinstance(leaf, np.ndarray):
        return not leaf.dtype.isnative and not isinstance(leaf, np.memmap)
    return hasattr(leaf, "__dlpack__") and not isinstance(leaf, jax.Array)
