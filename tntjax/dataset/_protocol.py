"""Members of datasets beyond `len` and `[index]`, and checks of an index."""

from collections.abc import Callable
from functools import lru_cache
from inspect import signature
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from tntjax._array import can_be_read
from tntjax._numbers import check_integer, check_integers, find_outside
from tntjax._struct import Opaque, describe
from tntjax._types import Sample
from tntjax.transform._row import open_node

MOST_ON_DEVICE = 2**31
"""How many samples a device can number: it counts in int32."""

TRACING_ERRORS = (
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.ConcretizationTypeError,
)
"""What a function of the user raises that takes a tracer for a value."""


class Spec(NamedTuple):
    """Describes the samples of a dataset without reading them.

    `alike` leading samples are known to share structure, shapes and dtypes; compiled
    code can gather those that are `on_device`; `bytes()` measures one, and reads one
    where nothing else tells.
    """

    alike: int
    on_device: bool
    bytes: Callable[[], int]


def find_spec(dataset: Any) -> Spec:
    """Describes the samples of any dataset, in one walk down to the data."""
    kind = type(dataset)
    if isinstance(dataset, np.ndarray | jax.Array):
        on_device, length = isinstance(dataset, jax.Array), max(1, len(dataset))
        return Spec(len(dataset), on_device, lambda: dataset.nbytes // length)
    if is_unchecked(kind):
        return dataset.spec
    alike = getattr(dataset, "uniform_length", 0) if has_take(kind) else 0
    on_device = is_open(dataset) and getattr(dataset, "on_device", False)

    def measure() -> int:
        size = getattr(dataset, "sample_bytes", None)
        return bytes_of(dataset[0]) if size is None else size

    return Spec(alike, on_device, measure)


def find_shapes(dataset: Any) -> tuple:
    """Returns the shapes that a dataset states, or one that it wraps does, else ()."""
    while dataset is not None:
        shapes = getattr(dataset, "shapes", None)
        if isinstance(shapes, tuple):
            return shapes
        dataset = getattr(dataset, "dataset", None)
    return ()


@lru_cache(maxsize=256)
def is_unchecked(kind: type) -> bool:
    """True if datasets of a type can be read without a check of the indices.

    A class that a user derives may have changed `take` or `[index]`.
    """
    return hasattr(kind, "_take") and kind.__module__.startswith("tntjax.")


@lru_cache(maxsize=256)
def has_take(kind: type) -> bool:
    """True if a type has `take(indices)`; others mean other things by `take`."""
    method = getattr(kind, "take", None)
    if method is None or issubclass(kind, np.ndarray | jax.Array):
        return False
    if _find_definer(kind, "__getitem__") < _find_definer(kind, "take"):
        return False  # it would read past the `[index]` of a derived class
    try:
        return list(signature(method).parameters)[1:] == ["indices"]
    except (TypeError, ValueError):  # no method, or a compiled one without a signature
        return False


def _find_definer(kind: type, name: str) -> int:
    """Counts the classes from a class up to the one that defines a member."""
    order = (name in vars(base) for base in kind.__mro__)
    return next((place for place, defines in enumerate(order) if defines), 0)


def hide_unreadable(dataset: Any) -> Any:
    """Hides a wrapped dataset from JAX unless compiled code can read it."""
    return dataset if is_open(dataset) else Opaque(dataset)


def is_open(dataset: Any) -> bool:
    """True if JAX can look into a dataset: an array, or a pytree with a `take`.

    A class that is derived of a pytree is not one until it is registered.
    """
    if isinstance(dataset, np.ndarray | jax.Array):
        return True
    return has_take(type(dataset)) and not jax.tree_util.all_leaves([dataset])


def check_indices(dataset: Any, indices: Any) -> Any:
    """Returns indices as an array of integers in range, or raises.

    A JAX array stays one if the dataset lies on a device; a tracer has no range.
    """
    if type(indices) is list and set(map(type, indices)) == {int}:
        numbers = np.array(indices)  # of integers, unless some are too large for one
        indices = numbers if numbers.dtype.kind in "iu" else indices
    plain = type(indices) is np.ndarray and indices.dtype.kind in "iu"
    array = indices if plain else check_integers(indices, "Expected integer indices")
    if isinstance(array, jax.Array) and (
        isinstance(array, Tracer) or find_spec(dataset).on_device
    ):
        return _check_on_device(dataset, array)
    array, length = np.asarray(array), len(dataset)
    if array.size and not 0 <= array.min() <= array.max() < length:
        raise out_of_range(dataset, find_outside(array, length))
    if length > MOST_ON_DEVICE:
        _check_far(dataset, array)
    return array.astype(np.intp, copy=False)  # what is computed of them may be large


def _check_on_device(dataset: Any, array: jax.Array) -> jax.Array:
    # JAX would compute in so few bits, and wrap.
    array = array.astype(np.int32) if array.dtype.itemsize < 4 else array
    length = len(dataset)
    if length > MOST_ON_DEVICE and length > np.iinfo(array.dtype).max:
        raise beyond_device(type(dataset).__name__, length)
    if can_be_read(array):
        wrong = find_outside(array, length)
        if wrong is not None:
            raise out_of_range(dataset, wrong)
    return array


def _check_far(dataset: Any, array: np.ndarray) -> None:
    """Raises if a device would have to count beyond its integers."""
    wide = jax.dtypes.canonicalize_dtype(np.int64)  # `jax_enable_x64` changes it
    outside = find_outside(array, np.iinfo(wide).max + 1)
    if outside is not None and find_spec(dataset).on_device:
        raise beyond_device(type(dataset).__name__, len(dataset))


def check_index(dataset: Any, index: Any) -> Any:
    """Returns one index in range, or raises.

    An int, or a JAX array if that is traced or the dataset lies on a device.
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


def out_of_range(dataset: Any, index: int | None) -> IndexError:
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
    """Makes the error for a dataset that compiled code cannot read."""
    return TypeError(
        f"{type(dataset).__name__} is read on the host, one sample at a time, so its"
        " index cannot be traced. Keep its arrays in NumPy and let the iterator fetch"
        " them, or turn it into arrays first:"
        " TableDataset(take(dataset, np.arange(len(dataset))))."
    )


def traced_on_host(name: str) -> TypeError:
    """Makes the error for arrays on the host and an index that is traced."""
    return TypeError(
        f"{name} holds NumPy arrays, which are gathered on the host, but its index"
        " is traced. Put it on a device and pass it to the compiled function as an"
        " argument: jitted(jax.device_put(dataset), index)."
    )


def bytes_of(value: Sample, known: dict[int, tuple[Any, int]] | None = None) -> int:
    """Adds up a sample's arrays, where a number counts as 8 bytes.

    A table counts at each place where it is; `known` lets it be walked once.
    """
    if isinstance(value, np.ndarray | jax.Array):
        return value.nbytes
    known = {} if known is None else known
    if id(value) not in known:
        parts, structure = open_node(value)
        if jax.tree_util.treedef_is_leaf(structure):
            return getattr(value, "nbytes", 8)
        known[id(value)] = value, sum(bytes_of(part, known) for part in parts)
    return known[id(value)][1]
