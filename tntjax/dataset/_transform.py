"""TransformDataset: a function applied to each sample."""

import contextlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from tntjax._struct import child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._many import read_samples
from tntjax.dataset._take import (
    below,
    check_index,
    check_indices,
    in_order,
    map_columns,
    on_device,
    take,
    take_one_by_one,
    uniform_length,
    with_flat,
)
from tntjax.transform._writable import writable
from tntjax.utils import check_dataset


@pytree
class TransformDataset:
    """A dataset whose samples are passed through a function.

    The function may write to what it is given: it gets a copy of what could be changed
    (not of read-only arrays, such as those of `IndexedDataset`). Where the data lies on
    a device it is traced, and mapped over the batch.

    Args:
      dataset: what to transform.
      transform: `sample -> sample`, or a mapping `{field: function}` for some of the
        fields of a dict.
      key: the one field that the function is for: `field -> field`.
      batched: the function takes many samples at once, its arrays have one more
        axis in front: [N, ...] -> [N, ...]. This is the fast form.
      with_index: also pass the index ([N] if batched): `transform(sample, index)`.

    Raises:
      TypeError: if `dataset` is not one, or a transform not a function.
      ValueError: if `key` comes with a mapping.

    Example:
      >>> import numpy as np
      >>> dataset = [{"input": 3, "target": 0}, {"input": 4, "target": 1}]
      >>> TransformDataset(dataset, lambda x: x * x, key="input")[1]
      {'input': 16, 'target': 1}
      >>> TransformDataset(dataset, {"input": float, "target": bool})[1]
      {'input': 4.0, 'target': True}

    Purpose: decoding, cropping, casting: whatever one sample needs.

    Torchnet: `dataset/transformdataset.lua`, which changes the sample below in place
    and always passes the index. Here the sample below stays as it is.
    """

    dataset: Dataset = child(below)
    transform: Callable[..., Any] | Mapping[str, Callable[..., Any]] = static()
    key: str | None = static(default=None)
    batched: bool = static(default=False)
    with_index: bool = static(default=False)

    def __post_init__(self) -> None:
        check_dataset(self.dataset, "TransformDataset")
        if isinstance(self.transform, Mapping):
            if self.key is not None:
                raise ValueError(
                    "TransformDataset takes key=... with a function, or a mapping"
                    " {field: function}; got both."
                )
            # A tuple, since what JAX caches on must be hashable.
            object.__setattr__(self, "transform", tuple(self.transform.items()))
        for pair in _by_field(self):
            function = pair[1] if isinstance(pair, tuple) and len(pair) == 2 else None
            if not callable(function):
                raise TypeError(
                    "TransformDataset needs a function or {field: function}, got"
                    f" {describe(self.transform)}. For several functions in a row:"
                    " transform=compose([first, second])."
                )

    def __len__(self) -> int:
        return len(self.dataset)

    __iter__ = in_order

    def __getitem__(self, index: int) -> Sample:
        index = check_index(self, index)
        if isinstance(index, jax.Array):
            return self.take(index)
        if self.batched:
            first = operator.itemgetter(0) if self.on_device else _first_on_host
            return map_columns(first, self.take(np.array([index])))
        return self._apply(self.dataset[index], index)

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        return list(self._each(np.asarray(check_indices(self, indices)).tolist()))

    def take(self, indices: ArrayLike) -> Sample:
        """Reads and transforms many samples at once.

        Args:
          indices: integers of any shape S, possibly traced.

        Returns:
          The sample with leaves [*S, ...].

        Raises:
          IndexError: if an index on the host is out of range.
          TypeError: if the function is traced and cannot be.
          ValueError: if a function of many samples returns another number of rows.
        """
        rows = check_indices(self, indices)
        if self.batched:
            with _tracing_explained(self):
                return with_flat(self._read_many, rows)
        if not isinstance(rows, Tracer) and not on_device(self.dataset):
            return take_one_by_one(self, rows, self._each)
        apply = self._apply
        for _ in range(rows.ndim):
            apply = jax.vmap(apply)
        with _tracing_explained(self):
            return apply(take(self.dataset, rows), rows)

    def _each(self, indices: list[int]) -> Iterator[Sample]:
        if self.batched:
            return (self[index] for index in indices)
        samples = zip(read_samples(self.dataset, indices), indices, strict=True)
        # Not with map: a StopIteration of the function would look like the end.
        return (self._apply(sample, index) for sample, index in samples)

    def _read_many(self, rows: Any) -> Sample:
        batch = self._apply(take(self.dataset, rows), rows, _writable_lists)
        return map_columns(lambda column: _checked(column, len(rows)), batch)

    def _apply(
        self, sample: Sample, index: Any, own: Callable[[Any], Any] = writable
    ) -> Sample:
        extra = (index,) if self.with_index else ()
        if callable(self.transform) and self.key is None:
            return self.transform(own(sample), *extra)
        if not isinstance(sample, Mapping):
            raise TypeError(
                "TransformDataset has a function for a field, so samples must be dicts;"
                f" got {describe(sample)}."
            )
        changed = dict(sample)
        for field, function in _by_field(self):
            if field not in changed:
                raise KeyError(
                    f"TransformDataset: the sample has no field {field!r},"
                    f" only {list(changed)}."
                )
            changed[field] = function(own(changed[field]), *extra)
        return changed

    @property
    def uniform_length(self) -> int:
        """As below, unless the host calls for each sample and shapes may vary."""
        known = self.batched or on_device(self.dataset)
        return uniform_length(self.dataset) if known else 0

    @property
    def on_device(self) -> bool:
        """Whether the dataset below is."""
        return on_device(self.dataset)


@contextlib.contextmanager
def _tracing_explained(dataset: TransformDataset) -> Iterator[None]:
    try:
        yield
    except (
        jax.errors.TracerArrayConversionError,
        jax.errors.TracerIntegerConversionError,
        jax.errors.ConcretizationTypeError,
    ) as error:
        raise TypeError(
            f"The transform of {dataset!r} works on NumPy values, but the data lies on"
            " a device, where it is traced. Write it with jax.numpy, or keep the"
            " arrays in NumPy."
        ) from error


def _writable_lists(batch: Sample) -> Sample:
    """What `take` returned: arrays of its own, and lists of what lies below."""
    return map_columns(lambda c: writable(c) if isinstance(c, list) else c, batch)


def _first_on_host(column: Any) -> Any:
    return (column if isinstance(column, list) else np.asarray(column))[0]


def _checked(column: Any, count: int) -> Any:
    rows = len(column) if isinstance(column, list) else (*np.shape(column), None)[0]
    if rows != count:
        raise ValueError(
            f"TransformDataset(batched=True): the function was given {count} samples at"
            f" once and must return as many rows, got {describe(column)}."
        )
    return column


def _by_field(dataset: Any) -> tuple[tuple[str | None, Callable], ...]:
    transform = dataset.transform
    return transform if isinstance(transform, tuple) else ((dataset.key, transform),)
