"""Many samples at once: `take`."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from tntjax._array import check_unmasked, empty_aligned
from tntjax._check import check_dataset
from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._columns import map_columns, with_flat
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import (
    check_indices,
    has_take,
    host_only,
    is_unchecked,
    traced_on_host,
)
from tntjax.transform._batch import stack_rows


def take(dataset: Dataset, indices: ArrayLike) -> Sample:
    """Reads many samples and stacks them along new first axes.

    Uses the dataset's own `take(indices)` where there is one, else gets sample after
    sample, or many together with `__getitems__(indices)` as datasets of Hugging Face
    and torch have it.

    Args:
      dataset: any dataset, a list included.
      indices: integers of any shape S, 0 <= index < len. The range of a tracer is not
        checked; that of a JAX array is, which waits for it.

    Returns:
      A sample with leaves `[*S, ...]`. What cannot be stacked, such as strings, is in
      lists, nested as S is. For no indices sample 0 tells what the arrays are like.

    Raises:
      IndexError: if an index is negative or not below the length.
      TypeError: if `indices` are not integers (a bool is not one), or are traced and
        the dataset can be read on the host only.
      ValueError: if samples cannot be stacked, or there is no sample 0 to look at.

    Example:
      >>> take([10, 20, 30], [[2, 0], [1, 1]]).tolist()
      [[30, 10], [20, 20]]

    Torchnet has no counterpart: there every sample is got on its own.
    """
    kind = type(dataset)
    if not is_unchecked(kind):
        check_dataset(dataset, "take")
    rows = check_indices(dataset, indices)
    if is_unchecked(kind):
        return dataset._take(rows)  # pyright: ignore[reportAttributeAccessIssue]  # ours
    if isinstance(dataset, np.ndarray | jax.Array):
        check_unmasked(dataset, "An array")
        return gather(dataset, rows, "An array")
    if has_take(kind):
        batch = dataset.take(rows)  # pyright: ignore[reportAttributeAccessIssue]  # optional member
        return _check_taken(batch, rows.shape, kind.__name__)
    return take_one_by_one(dataset, rows)


def _check_taken(batch: Sample, shape: tuple[int, ...], name: str) -> Sample:
    """Returns what a `take` gave that is not ours, or raises if it has other axes."""

    def check(column: Any) -> Any:
        given = (len(column),) if isinstance(column, list) else np.shape(column)
        wanted = shape[:1] if isinstance(column, list) else shape
        if given[: len(wanted)] != wanted:
            raise ValueError(
                f"{name}.take(indices) was given indices of shape {list(shape)} and"
                " must return samples stacked along as many first axes, got"
                f" {describe(column)}."
            )
        return column

    return map_columns(check, batch)


def take_one_by_one(
    dataset: Dataset,
    indices: Any,
    read: Callable[[list[int]], Iterable[Sample]] | None = None,
) -> Sample:
    """Stacks samples as they are read, by `dataset[i]` or by a function of a list."""
    if isinstance(indices, Tracer):
        raise host_only(dataset)
    if not indices.size and not len(dataset):
        raise ValueError(
            f"{type(dataset).__name__} is empty, so there is no sample to tell what a"
            " batch of none is like."
        )

    def stack(flat: np.ndarray) -> Sample:
        rows = flat.tolist() or [0]
        samples = read(rows) if read else read_samples(dataset, rows)
        batch = stack_rows(samples, len(rows))
        return batch if flat.size else map_columns(lambda column: column[:0], batch)

    return with_flat(stack, indices)


def is_plain(array: np.ndarray) -> bool:
    """True if NumPy's `take` reads rows; else it copies the whole array each time."""
    return array.flags.c_contiguous and array.flags.aligned


def take_rows(array: np.ndarray, indices: Any) -> np.ndarray:
    """Reads rows of an array, into memory that JAX need not copy."""
    if not is_plain(array):  # those rows alone, in any order of memory
        few = np.arange(np.size(indices)).reshape(np.shape(indices))
        array, indices = array[np.reshape(indices, -1)], few if few.ndim else 0
    if not isinstance(indices, np.ndarray):
        return array.take(indices, axis=0)  # one row, to be stacked with others
    rows = empty_aligned((*indices.shape, *array.shape[1:]), array.dtype)
    # The indices are checked: to do so again, NumPy would not write to `rows` at once.
    return array.take(indices, axis=0, out=rows, mode="clip")


def gather(leaf: Any, indices: Any, name: str) -> Any:
    """Reads rows of an array: on the host if it lies there, else where it lies."""
    if not isinstance(leaf, np.ndarray):
        return leaf[indices]
    if isinstance(indices, Tracer):
        raise traced_on_host(name)
    rows = take_rows(np.asarray(leaf), indices)  # of a map of a file plain rows
    if leaf.dtype.isnative:
        return rows
    return rows.astype(rows.dtype.newbyteorder("="))  # JAX takes native bytes only
