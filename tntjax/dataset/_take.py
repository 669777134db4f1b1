"""Many samples at once: `take`, and what every dataset needs to offer it."""

import inspect
import operator
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.transform._batch import stack_rows


def take(dataset: Dataset, indices: ArrayLike) -> Sample:
    """Reads many samples and stacks them along new first axes.

    Uses the dataset's own `take(indices)` where there is one, else gets sample after
    sample and writes each straight into its row of the result.

    Args:
      dataset: any dataset, a list included.
      indices: integers of any shape S, 0 <= index < len. JAX arrays and tracers are
        not checked against the length, since that would wait for the device.

    Returns:
      A sample with leaves of shape [*S, ...].

    Raises:
      IndexError: if an index is negative or not below the length.
      TypeError: if `indices` are not integers, or are traced and the dataset can be
        read on the host only.

    Example:
      >>> take([10, 20, 30], [[2, 0], [1, 1]]).tolist()
      [[30, 10], [20, 20]]

    Torchnet has no counterpart: there every sample is got on its own.
    """
    if isinstance(dataset, np.ndarray | jax.Array):
        return gather(dataset, check_indices(dataset, indices), "An array")
    if has_take(type(dataset)):
        return dataset.take(indices)  # pyright: ignore[reportAttributeAccessIssue]  # optional member
    return take_one_by_one(dataset, check_indices(dataset, indices))


@lru_cache(maxsize=256)
def has_take(kind: type) -> bool:
    """Says whether a type has `take(indices)`; others mean other things by `take`."""
    method = getattr(kind, "take", None)
    if method is None or issubclass(kind, np.ndarray | jax.Array):
        return False
    try:
        return list(inspect.signature(method).parameters)[1:2] == ["indices"]
    except ValueError:  # a compiled method without a signature
        return False


def take_one_by_one(
    dataset: Dataset,
    indices: Any,
    samples: Callable[[list[int]], Iterable[Sample]] | None = None,
) -> Sample:
    """`take` by way of `dataset[i]`, or of a function that reads a list of indices."""
    if isinstance(indices, jax.Array):
        if isinstance(indices, jax.core.Tracer):
            raise host_only(dataset)
        indices = np.asarray(indices)

    def read(flat: np.ndarray) -> Sample:
        rows = flat.tolist()
        read_rows = samples(rows) if samples else (dataset[row] for row in rows)
        return stack_rows(read_rows, len(rows))

    return with_flat(read, indices)


def with_flat(read: Callable[[Any], Sample], indices: Any) -> Sample:
    """Reads with one flat axis of indices and gives the result the indices' shape."""
    if indices.ndim == 1:
        return read(indices)
    batch, shape = read(indices.reshape(-1)), indices.shape
    return jax.tree.map(lambda leaf: leaf.reshape(shape + leaf.shape[1:]), batch)


def gather(leaf: Any, indices: Any, name: str) -> Any:
    """Rows of one array: on the host if it lies there, else where it lies."""
    if not isinstance(leaf, np.ndarray):
        return leaf[indices]
    if isinstance(indices, jax.core.Tracer):
        raise TypeError(
            f"{name} holds NumPy arrays, which are gathered on the host, but its index"
            " is traced. Put it on a device and pass it to the compiled function as an"
            " argument: jitted(jax.device_put(dataset), index)."
        )
    return leaf.take(indices, axis=0)  # twice as fast as leaf[indices]


def check_indices(dataset: Any, indices: Any) -> Any:
    """Returns the indices as an array, after checking what can be checked at once."""
    if isinstance(indices, jax.Array):
        return indices
    array = np.asarray(indices)
    if array.size == 0:
        return array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(f"Expected integer indices, got {describe(array)}.")
    if array.min() < 0 or array.max() >= len(dataset):
        wrong = array.min() if array.min() < 0 else array.max()
        raise out_of_range(dataset, wrong)
    return array


def check_index(dataset: Any, index: Any) -> Any:
    """Returns one index as an int, or as it is if it is a JAX array."""
    if isinstance(index, jax.Array):
        return index
    index = operator.index(index)
    if not 0 <= index < len(dataset):
        raise out_of_range(dataset, index)
    return index


def out_of_range(dataset: Any, index: int) -> IndexError:
    """The error for an index that a dataset does not have."""
    return IndexError(
        f"{type(dataset).__name__} has {len(dataset)} samples, numbered from 0;"
        f" got index {index}."
    )


def host_only(dataset: Any) -> TypeError:
    """The error for a dataset that compiled code cannot read."""
    return TypeError(
        f"{type(dataset).__name__} is read on the host, one sample at a time, so its"
        " index cannot be traced. Keep its arrays in NumPy and let the iterator fetch"
        " them, or turn it into arrays first:"
        " TableDataset(take(dataset, np.arange(len(dataset))))."
    )


def uniform_length(dataset: Dataset) -> int:
    """How many leading samples are known to share structure, shapes and dtypes."""
    if isinstance(dataset, np.ndarray | jax.Array):
        return len(dataset)
    return getattr(dataset, "uniform_length", 0) if has_take(type(dataset)) else 0


def sample_bytes(dataset: Dataset) -> int:
    """The size of one sample; reads one where the dataset cannot tell by itself."""
    size = getattr(dataset, "sample_bytes", None)
    if size is not None:
        return size
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(dataset[0]))
