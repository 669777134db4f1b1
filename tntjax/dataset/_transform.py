"""TransformDataset: a function applied to each sample."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from tntjax._array import check_unmasked
from tntjax._check import check_dataset
from tntjax._struct import child, describe, flag, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._columns import map_columns, shape_column
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import (
    TRACING_ERRORS,
    Spec,
    bytes_of,
    find_spec,
    hide_unreadable,
)
from tntjax.dataset._take import take_one_by_one
from tntjax.transform._writable import copy_writable


@pytree
class TransformDataset(IndexMap):
    """A dataset whose samples are passed through a function.

    The function may write to what it is given: it gets a copy of what could be changed.
    Where the data lies on a device it is traced, and mapped over the batch.

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
      >>> dataset = [{"input": 3, "target": 0}, {"input": 4, "target": 1}]
      >>> TransformDataset(dataset, lambda x: x * x, key="input")[1]
      {'input': 16, 'target': 1}
      >>> TransformDataset(dataset, {"input": float, "target": bool})[1]
      {'input': 4.0, 'target': True}

    Purpose: decoding, cropping, casting: whatever one sample needs.

    Torchnet: `dataset/transformdataset.lua`, which changes the wrapped sample in place
    and always passes the index.
    """

    dataset: Dataset = child(hide_unreadable)
    transform: Callable[..., Any] | Mapping[str, Callable[..., Any]] = static()
    key: str | None = static(default=None)
    batched: bool = flag(default=False)
    with_index: bool = flag(default=False)

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

    def _get(self, index: int) -> Sample:
        if self.batched:
            batch, there = self._take(np.array([index])), self._wraps_device
            host = (list, jax.Array) if there else list  # the rest becomes NumPy's
            return map_columns(
                lambda c: (c if isinstance(c, host) else np.asarray(c))[0], batch
            )
        return self._apply(self._get_wrapped(index), index)

    def _read_each(self, rows: list[int]) -> Iterable[Sample]:
        if self.batched:
            return super()._read_each(rows)
        samples = zip(read_samples(self.dataset, rows), rows, strict=True)
        # Not with map: a StopIteration of the function would look like the end.
        return (self._apply(sample, row) for sample, row in samples)

    def _take(self, rows: Any) -> Sample:
        if not self.batched:
            return self._take_each(rows)
        flat = rows.reshape(-1)
        batch = self._take_wrapped(flat)  # arrays of its own, and lists that are not
        try:
            if callable(self.transform) and self.key is None:
                own = batch if isinstance(batch, np.ndarray) else _copy_lists(batch)
                batch = self.transform(own, *((flat,) if self.with_index else ()))
            else:
                batch = self._apply_to_fields(batch, flat, _copy_lists)
        except TRACING_ERRORS as error:
            raise self._explain_tracing() from error
        if type(batch) is np.ndarray and batch.shape[:1] == flat.shape:  # usual
            return batch.reshape(rows.shape + batch.shape[1:])
        return _shape_rows(batch, rows.shape)

    def _take_each(self, rows: Any) -> Sample:
        if not isinstance(rows, Tracer) and not self._wraps_device:
            return take_one_by_one(self, rows, self._read_each)
        apply = self._apply
        for _ in range(rows.ndim):
            apply = jax.vmap(apply)
        try:
            return apply(self._take_wrapped(rows), rows)
        except TRACING_ERRORS as error:
            raise self._explain_tracing() from error

    def _apply(self, sample: Sample, index: Any) -> Sample:
        if callable(self.transform) and self.key is None:
            extra = (index,) if self.with_index else ()
            return self.transform(copy_writable(sample), *extra)
        return self._apply_to_fields(sample, index, copy_writable)

    def _apply_to_fields(
        self, sample: Sample, index: Any, own: Callable[[Any], Any]
    ) -> Sample:
        if not isinstance(sample, Mapping):
            raise TypeError(
                "TransformDataset has a function for a field, so samples must be dicts;"
                f" got {describe(sample)}."
            )
        changed, extra = dict(sample), (index,) if self.with_index else ()
        for field, function in _by_field(self):
            if field not in list(changed):  # which may be asked for anything
                raise KeyError(
                    f"TransformDataset: the sample has no field {field!r},"
                    f" only {list(changed)}."
                )
            changed[field] = function(own(changed[field]), *extra)
        return changed

    @cached_property
    def _wraps_device(self) -> bool:
        return find_spec(self.dataset).on_device

    def _explain_tracing(self) -> TypeError:
        return TypeError(
            f"The transform of {self!r} works on NumPy values, but the data lies on a"
            " device, where it is traced. Write it with jax.numpy, or keep the arrays"
            " in NumPy."
        )

    @property
    def spec(self) -> Spec:
        """The wrapped one; 0 alike if the host transforms each: shapes may differ."""
        known = find_spec(self.dataset)
        alike = known.alike if self.batched or known.on_device else 0
        return Spec(alike, known.on_device, lambda: bytes_of(self[0]))


def _copy_lists(batch: Sample) -> Sample:
    return map_columns(lambda c: copy_writable(c) if isinstance(c, list) else c, batch)


def _shape_rows(batch: Sample, shape: tuple[int, ...]) -> Sample:
    """Gives columns the axes `shape`, after checking that they have as many rows."""
    count = math.prod(shape)
    nothing = batch is None or (isinstance(batch, Mapping | tuple) and not batch)
    if count and nothing:
        raise ValueError(
            "TransformDataset(batched=True): the function must return the rows of"
            f" {count} samples, got {describe(batch)}."
        )

    def shape_rows(column: Any) -> Any:
        check_unmasked(column, "TransformDataset(batched=True): what was returned")
        rows = len(column) if isinstance(column, list) else (*np.shape(column), None)[0]
        if rows != count:
            raise ValueError(
                f"TransformDataset(batched=True): the function was given {count}"
                " samples at once and must return as many rows, got"
                f" {describe(column)}."
            )
        return shape_column(column, shape)

    return map_columns(shape_rows, batch)


def _by_field(dataset: Any) -> tuple[tuple[str | None, Callable], ...]:
    transform = dataset.transform
    return transform if isinstance(transform, tuple) else ((dataset.key, transform),)
