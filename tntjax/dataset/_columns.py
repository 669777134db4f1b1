"""Batches as columns: arrays [N, ...], and lists of N for what cannot be stacked."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from tntjax._types import Sample


def map_columns(function: Callable[[Any], Any], batch: Sample) -> Sample:
    """Applies a function to each array of a batch, and to each list as a whole."""
    if isinstance(batch, np.ndarray | list):
        return function(batch)
    if type(batch) is dict:  # not as a pytree, which sorts keys, whatever they are
        return {key: map_columns(function, value) for key, value in batch.items()}
    return jax.tree.map(function, batch, is_leaf=lambda node: isinstance(node, list))


def with_flat(read: Callable[[Any], Sample], indices: Any) -> Sample:
    """Reads with one flat axis of indices and gives the result the indices' shape."""
    if indices.ndim == 1:
        return read(indices)
    batch = read(indices.reshape(-1))
    return map_columns(lambda column: shape_column(column, indices.shape), batch)


def shape_column(column: Any, shape: tuple[int, ...]) -> Any:
    """Gives a column [N, ...] the axes `shape` in place of its first."""
    if not isinstance(column, list):
        return column.reshape(shape + column.shape[1:])
    if len(shape) < 2:
        return column if shape else column[0]
    size = math.prod(shape[1:])
    parts = [column[row * size : (row + 1) * size] for row in range(shape[0])]
    return [shape_column(part, shape[1:]) for part in parts]
