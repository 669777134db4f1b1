"""TableDataset: columns of equal length."""

from typing import Any

import jax
from jax.typing import ArrayLike

from tntjax._struct import describe, pytree
from tntjax._types import Sample
from tntjax.dataset._take import (
    bytes_of,
    check_index,
    check_indices,
    gather,
    in_order,
)
from tntjax.utils import check_unmasked


@pytree
class TableDataset:
    """Samples that are the rows of arrays.

    With NumPy arrays a sample is a copy of its row, on the host. After
    `jax.device_put(dataset)` the arrays lie on the device, where compiled code
    gathers them.

    Args:
      data: one array [N, ...], or a dict or tuple of them, which may be nested.

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

    Torchnet: `dataset/tabledataset.lua`, a list of samples with deep copies. Here the
    columns are arrays, so that many samples are one gather; for a list of samples use
    the list itself, which is a dataset.
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
            check_unmasked(leaf, f"TableDataset needs other arrays; {where}")
            if not leaf.shape:
                raise ValueError(f"TableDataset needs arrays [N, ...]; {where} is [].")
            lengths[where] = leaf.shape[0]
        if len(set(lengths.values())) > 1:
            raise ValueError(f"TableDataset needs equal lengths, got {lengths}.")

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.data)[0])

    __iter__ = in_order

    def __getitem__(self, index: int) -> Sample:
        index = check_index(self, index)
        return jax.tree.map(lambda leaf: gather(leaf, index, "TableDataset"), self.data)

    def take(self, indices: ArrayLike) -> Sample:
        """Gathers many rows at once, each leaf in one operation.

        Args:
          indices: integers of any shape S; may be traced if the arrays are too.

        Returns:
          The sample with leaves [*S, ...].

        Raises:
          IndexError: if an index on the host is out of range.
          TypeError: if `indices` are traced and the arrays are NumPy's.
        """
        rows = check_indices(self, indices)
        return jax.tree.map(lambda leaf: gather(leaf, rows, "TableDataset"), self.data)

    @property
    def uniform_length(self) -> int:
        """Every sample has the same shapes."""
        return len(self)

    @property
    def on_device(self) -> bool:
        """Whether an array lies on a device."""
        return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(self.data))

    @property
    def sample_bytes(self) -> int:
        """The bytes of one row."""
        return bytes_of(self.data) // max(1, len(self))
