"""Many samples at once: `take`, and what every dataset needs to offer it."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from tntjax._struct import Opaque, describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._many import read_samples
from tntjax.transform._batch import stack_rows
from tntjax.transform._row import opened
from tntjax.utils import check_integer, check_integers, check_unmasked, find_outside

MOST_ON_DEVICE = 2**31
"""How many samples a device can number: it counts in int32."""


def take(dataset: Dataset, indices: ArrayLike) -> Sample:
    """Reads many samples and stacks them along new first axes.

    Uses the dataset's own `take(indices)` where there is one, else gets sample after
    sample, or many together with `__getitems__(indices)` as datasets of Hugging Face
    and torch have it, and writes each straight into its row of the result.

    Args:
      dataset: any dataset, a list included.
      indices: integers of any shape S, 0 <= index < len. A tracer has no value yet, so
        its range is not checked; a JAX array is, which waits for it.

    Returns:
      A sample with leaves of shape [*S, ...]. What cannot be stacked, such as strings,
      is in lists, nested as S is. For no indices at all sample 0 tells what the arrays
      of length 0 are like.

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
    if isinstance(dataset, np.ndarray | jax.Array):
        return gather(dataset, check_indices(dataset, indices), "An array")
    kind = type(dataset)
    if not kind.__module__.startswith("tntjax."):  # ours check by themselves
        indices = check_indices(dataset, indices)
    if has_take(kind):
        return dataset.take(indices)  # pyright: ignore[reportAttributeAccessIssue]  # optional member
    return take_one_by_one(dataset, indices)


@lru_cache(maxsize=256)
def has_take(kind: type) -> bool:
    """Says whether a type has `take(indices)`; others mean other things by `take`."""
    method = getattr(kind, "take", None)
    if method is None or issubclass(kind, np.ndarray | jax.Array):
        return False
    try:
        return list(inspect.signature(method).parameters)[1:] == ["indices"]
    except (TypeError, ValueError):  # no method, or a compiled one without a signature
        return False


def take_one_by_one(
    dataset: Dataset,
    indices: Any,
    samples: Callable[[list[int]], Iterable[Sample]] | None = None,
) -> Sample:
    """`take` by way of `dataset[i]`, or of a function that reads a list of indices."""
    if isinstance(indices, Tracer):
        raise host_only(dataset)
    if not indices.size and not len(dataset):
        raise ValueError(
            f"{type(dataset).__name__} is empty, so there is no sample to tell what a"
            " batch of none is like."
        )

    def read(flat: np.ndarray) -> Sample:
        rows = flat.tolist() or [0]
        read_rows = samples(rows) if samples else read_samples(dataset, rows)
        batch = stack_rows(read_rows, len(rows))
        return batch if flat.size else map_columns(lambda column: column[:0], batch)

    return with_flat(read, indices)


def with_flat(read: Callable[[Any], Sample], indices: Any) -> Sample:
    """Reads with one flat axis of indices and gives the result the indices' shape."""
    if indices.ndim == 1:
        return read(indices)
    shape = indices.shape
    return map_columns(lambda c: _shaped(c, shape), read(indices.reshape(-1)))


def _shaped(column: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(column, list):
        return column.reshape(shape + column.shape[1:])
    if not shape:
        return column[0]
    if len(shape) == 1:
        return column
    size = math.prod(shape[1:])
    parts = [column[row * size : (row + 1) * size] for row in range(shape[0])]
    return [_shaped(part, shape[1:]) for part in parts]


def map_columns(function: Callable[[Any], Any], batch: Sample) -> Sample:
    """Applies a function to each array of a batch, and to each list as a whole."""
    if type(batch) is dict:  # not as a pytree, which sorts keys, whatever they are
        return {key: map_columns(function, value) for key, value in batch.items()}
    return jax.tree.map(function, batch, is_leaf=lambda node: isinstance(node, list))


def gather(leaf: Any, indices: Any, name: str) -> Any:
    """Reads rows of an array: on the host if it lies there, else where it lies."""
    check_unmasked(leaf, name)
    if not isinstance(leaf, np.ndarray):
        return leaf[indices]
    if isinstance(indices, Tracer):
        raise traced_on_host(name)
    return leaf.take(indices, axis=0)  # twice as fast as leaf[indices]


def traced_on_host(name: str) -> TypeError:
    """The error for arrays on the host and an index that is traced."""
    return TypeError(
        f"{name} holds NumPy arrays, which are gathered on the host, but its index"
        " is traced. Put it on a device and pass it to the compiled function as an"
        " argument: jitted(jax.device_put(dataset), index)."
    )


def check_indices(dataset: Any, indices: Any) -> Any:
    """Returns indices as an array of integers in range, or raises.

    A tracer's range cannot be checked. A JAX array stays one if the dataset lies on a
    device.
    """
    array = check_integers(indices, "Expected integer indices")
    if isinstance(array, Tracer) or (
        isinstance(array, jax.Array) and on_device(dataset)
    ):
        return _check_on_device(dataset, array)
    array = np.asarray(array)
    _check_range(dataset, array)
    if len(dataset) > MOST_ON_DEVICE:
        _check_far(dataset, array)
    return array.astype(np.intp, copy=False)  # what is computed of them may be large


def _check_on_device(dataset: Any, array: jax.Array) -> jax.Array:
    # JAX would compute in so few bits, and wrap.
    array = array.astype(np.int32) if array.dtype.itemsize < 4 else array
    if len(dataset) > MOST_ON_DEVICE and len(dataset) > np.iinfo(array.dtype).max:
        raise beyond_device(type(dataset).__name__, len(dataset))
    if not isinstance(array, Tracer) and array.is_fully_addressable:
        _check_range(dataset, array)
    return array


def _check_range(dataset: Any, array: Any) -> None:
    wrong = find_outside(array, len(dataset))
    if wrong is not None:
        raise out_of_range(dataset, wrong)


def _check_far(dataset: Any, array: np.ndarray) -> None:
    """Raises if a device would have to count beyond its integers."""
    wide = jax.dtypes.canonicalize_dtype(np.int64)  # `jax_enable_x64` changes it
    if find_outside(array, np.iinfo(wide).max + 1) is not None and on_device(dataset):
        raise beyond_device(type(dataset).__name__, len(dataset))


def check_index(dataset: Any, index: Any) -> Any:
    """Returns one index in range as an int, or raises.

    A JAX array is returned as it is if it is traced or the dataset lies on a device.
    """
    if isinstance(index, jax.Array) and index.shape == ():
        index = check_indices(dataset, index)
        if isinstance(index, jax.Array):
            return index
    name = type(dataset).__name__
    try:
        index = check_integer(index, "")
    except TypeError:
        raise TypeError(
            f"{name}[index] needs one integer, got {describe(index)};"
            " tnt.take(dataset, indices) reads many."
        ) from None
    if not 0 <= index < len(dataset):
        raise out_of_range(dataset, index)
    if index >= MOST_ON_DEVICE:
        _check_far(dataset, np.array(index))
    return index


def out_of_range(dataset: Any, index: int) -> IndexError:
    """Makes the error for an index that a dataset does not have."""
    return IndexError(
        f"{type(dataset).__name__} has {len(dataset)} samples, numbered from 0;"
        f" got index {index}."
    )


def beyond_device(name: str, length: int) -> TypeError:
    """Makes the error for positions that are too large for a device."""
    return TypeError(
        f"{name} has {length} samples in all, but a device counts to {MOST_ON_DEVICE}"
        " only. Keep its arrays in NumPy."
    )


def host_only(dataset: Any) -> TypeError:
    """The error for a dataset that compiled code cannot read."""
    return TypeError(
        f"{type(dataset).__name__} is read on the host, one sample at a time, so its"
        " index cannot be traced. Keep its arrays in NumPy and let the iterator fetch"
        " them, or turn it into arrays first:"
        " TableDataset(take(dataset, np.arange(len(dataset))))."
    )


def below(dataset: Any) -> Any:
    """What JAX sees of a dataset below: nothing, if compiled code cannot read it."""
    seen = isinstance(dataset, np.ndarray | jax.Array) or has_take(type(dataset))
    return dataset if seen else Opaque(dataset)


def uniform_length(dataset: Dataset) -> int:
    """How many leading samples are known to share structure, shapes and dtypes."""
    if isinstance(dataset, np.ndarray | jax.Array):
        return len(dataset)
    return getattr(dataset, "uniform_length", 0) if has_take(type(dataset)) else 0


def on_device(dataset: Dataset) -> bool:
    """Whether compiled code can gather samples: their arrays lie on a device."""
    if isinstance(dataset, np.ndarray | jax.Array):
        return isinstance(dataset, jax.Array)
    return has_take(type(dataset)) and getattr(dataset, "on_device", False)


def sample_bytes(dataset: Dataset) -> int:
    """The size of one sample; reads one where the dataset cannot tell by itself."""
    size = getattr(dataset, "sample_bytes", None)
    return bytes_of(dataset[0]) if size is None else size


def bytes_of(sample: Sample) -> int:
    """Adds up a sample's arrays, where a number counts as 8 bytes.

    Tables that are at several places count at each, and are walked once.
    """
    return _bytes_of(sample, {})


def _bytes_of(value: Any, known: dict[int, tuple[Any, int]]) -> int:
    if isinstance(value, np.ndarray | jax.Array):
        return value.nbytes
    if id(value) not in known:
        parts, structure = opened(value)
        if jax.tree_util.treedef_is_leaf(structure):
            return getattr(value, "nbytes", 8)
        known[id(value)] = value, sum(_bytes_of(part, known) for part in parts)
    return known[id(value)][1]


def in_order(dataset: Dataset) -> Iterator[Sample]:
    """A dataset's `__iter__`: without one Python takes any IndexError for the end."""
    return (dataset[index] for index in range(len(dataset)))
