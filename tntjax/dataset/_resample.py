"""ResampleDataset: a function says which sample comes where."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from tntjax._check import check_dataset, check_function
from tntjax._numbers import check_axis
from tntjax._struct import child, describe, flag, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import (
    TRACING_ERRORS,
    Spec,
    check_indices,
    find_spec,
    hide_unreadable,
    host_only,
)


@pytree
class ResampleDataset(IndexMap):
    """The samples that a function picks from a dataset.

    Args:
      dataset: what to pick from.
      sampler: `(dataset, index) -> index`, a function of its arguments alone; None
        picks sample `index` itself. One that is a pytree, as `weighted_sampler` makes
        them, has its arrays among the leaves of this dataset.
      size: how many samples there are, None for as many as are wrapped.
      batched: the sampler maps many indices at once, [N] -> [N]: many samples are then
        one gather. Where the data lies on a device it is traced. A sampler with an
        attribute `batched` says so itself.

    Raises:
      TypeError: if `dataset` is not one, the sampler not a function, or `size` not an
        integer.
      ValueError: if `size` is below 1, or without a sampler above the length.

    Example:
      >>> def backwards(dataset, index):
      ...     return len(dataset) - 1 - index
      >>> list(ResampleDataset("abc", backwards))
      ['c', 'b', 'a']
      >>> ResampleDataset(range(9), backwards, 4, batched=True).take([0, 3]).tolist()
      [8, 5]

    Purpose: subsets, repetitions, balanced classes: any fixed choice of samples.

    Torchnet: `dataset/resampledataset.lua`. There size 0 means none given.
    """

    dataset: Dataset = child(hide_unreadable)
    sampler: Any = None
    size: int | None = static(default=None)
    batched: bool = flag(default=False)

    def __post_init__(self) -> None:
        check_dataset(self.dataset, "ResampleDataset")
        sampler, size = self.sampler, self.size
        if sampler is not None:
            check_function(sampler, "ResampleDataset needs a function, but sampler")
            if getattr(sampler, "batched", False):
                object.__setattr__(self, "batched", True)
            if jax.tree_util.all_leaves([sampler]):  # structure, and not a leaf
                object.__setattr__(self, "sampler", _Function(sampler))
        if size is None:
            return
        size = check_axis("ResampleDataset: size", size, 1, bits=63)
        object.__setattr__(self, "size", size)
        if sampler is None and size > len(self.dataset):
            raise ValueError(
                f"ResampleDataset without a sampler has the {len(self.dataset)} samples"
                f" of the dataset at most, got size {size}. Pass a sampler."
            )

    def __len__(self) -> int:
        return len(self.dataset) if self.size is None else self.size

    def _get(self, index: int) -> Sample:
        picked = self._pick(np.array([index]))[0]
        if isinstance(picked, jax.Array):  # the sampler's arrays lie on a device
            return self._take_wrapped(picked)
        return self._get_wrapped(int(picked))

    def _read_each(self, rows: list[int]) -> Iterator[Sample]:
        picked = self._pick(np.asarray(rows, np.intp))
        return read_samples(self.dataset, picked.tolist())

    def _take(self, rows: Any) -> Sample:
        if isinstance(rows, Tracer) and not self._compiles:
            raise host_only(self)
        return self._take_wrapped(self._pick(rows.reshape(-1)).reshape(rows.shape))

    @property
    def _compiles(self) -> bool:
        return self.batched or self.sampler is None

    def _pick(self, rows: Any) -> Any:
        """Returns indices [N] of the wrapped dataset, checked if the host has them."""
        if self.sampler is None:
            return rows

        try:
            if self.batched:
                picked = self.sampler(self.dataset, rows)
            else:
                picked = [self.sampler(self.dataset, row) for row in rows.tolist()]
            picked = check_indices(self.dataset, picked)
        except TRACING_ERRORS as error:
            raise TypeError(
                f"The sampler of {self!r} works on NumPy values, but the data lies on a"
                " device, where it is traced. Use operators and methods that tracers"
                " have too, or leave batched=True out: then it is called on the host."
            ) from error
        except Exception as error:
            error.add_note(
                f"ResampleDataset: while the sampler {describe(self.sampler)} was asked"
                " for indices."
            )
            raise
        if picked.shape == rows.shape:
            return picked
        if self.batched:
            raise ValueError(
                f"ResampleDataset(batched=True): the sampler was given {len(rows)}"
                f" indices and must return as many, got {describe(picked)}."
            )
        raise TypeError(
            "ResampleDataset: the sampler must return one integer, got"
            f" {describe(picked[0])}."
        )

    @property
    def spec(self) -> Spec:
        """All samples are alike if all of the wrapped dataset are."""
        known = find_spec(self.dataset)
        if self.sampler is None:
            return known._replace(alike=min(known.alike, len(self)))
        alike = len(self) if known.alike == len(self.dataset) else 0
        return known._replace(alike=alike, on_device=self._compiles and known.on_device)


@pytree
class _Function:
    """A sampler that is part of the structure, since it has no leaves."""

    function: Callable[[Dataset, Any], Any] = static()

    def __call__(self, dataset: Dataset, index: Any) -> Any:
        return self.function(dataset, index)

    def __repr__(self) -> str:
        return describe(self.function)
