"""ResampleDataset: a function says which sample comes where."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    host_only,
    in_order,
    on_device,
    sample_bytes,
    take,
    uniform_length,
)
from tntjax.utils import check_dataset, check_function, check_integer


@pytree
class ResampleDataset:
    """The samples that a function picks from a dataset.

    Args:
      dataset: what to pick from.
      sampler: `(dataset, index) -> index`, a function of its arguments alone; None
        picks sample `index` itself. One that is a pytree, as `weighted_sampler` makes
        them, has its arrays among the leaves of this dataset.
      size: how many samples there are, None for as many as below.
      batched: the sampler maps many indices at once, [N] -> [N]: many samples are then
        one gather. Where the data lies on a device it is traced, so write it with
        methods and operators that NumPy arrays and tracers share. A sampler with an
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

    dataset: Dataset = child(below)
    sampler: Any = None
    size: int | None = static(default=None)
    batched: bool = static(default=False)

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
        size = check_integer(size, "ResampleDataset needs an integer size")
        object.__setattr__(self, "size", size)
        if size < 1:
            raise ValueError(f"ResampleDataset needs size >= 1 or None, got {size}.")
        if sampler is None and size > len(self.dataset):
            raise ValueError(
                f"ResampleDataset without a sampler has the {len(self.dataset)} samples"
                f" of the dataset at most, got size {size}. Pass a sampler."
            )

    def __len__(self) -> int:
        return len(self.dataset) if self.size is None else self.size

    __iter__ = in_order

    def __getitem__(self, index: int) -> Sample:
        index = check_index(self, index)
        if isinstance(index, jax.Array):
            return self.take(index)
        picked = self._picked(np.array([index]))[0]
        if isinstance(picked, jax.Array):  # the sampler's arrays lie on a device
            return take(self.dataset, picked)
        return self.dataset[int(picked)]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        rows = self._picked(check_indices(self, indices))
        return list(read_samples(self.dataset, rows.tolist()))

    def take(self, indices: ArrayLike) -> Sample:
        """Reads many samples at once.

        Args:
          indices: integers of any shape S; may be traced if the sampler is batched.

        Returns:
          The sample with leaves [*S, ...].

        Raises:
          IndexError: if an index on the host is out of range, the sampler's included.
          TypeError: if `indices` are traced and the sampler is not batched, or cannot
            be traced; or if it gives something else than integers.
          ValueError: if a batched sampler gives another number of indices.
        """
        rows = check_indices(self, indices)
        if isinstance(rows, Tracer) and not self._compiles:
            raise host_only(self)
        return take(self.dataset, self._picked(rows.reshape(-1)).reshape(rows.shape))

    @property
    def _compiles(self) -> bool:
        return self.batched or self.sampler is None

    def _picked(self, rows: Any) -> Any:
        """The indices [N] below, checked where they are on the host."""
        if self.sampler is None:
            return rows
        with _explained(self):
            if self.batched:
                picked = self.sampler(self.dataset, rows)
            else:
                picked = [self.sampler(self.dataset, row) for row in rows.tolist()]
            picked = check_indices(self.dataset, picked)
        if picked.shape != rows.shape:
            raise ValueError(
                f"ResampleDataset(batched=True): the sampler was given {len(rows)}"
                f" indices and must return as many, got {describe(picked)}."
            )
        return picked

    @property
    def uniform_length(self) -> int:
        """All samples, if all samples below are alike."""
        alike = uniform_length(self.dataset)
        if self.sampler is None:
            return min(alike, len(self))
        return len(self) if alike == len(self.dataset) else 0

    @property
    def on_device(self) -> bool:
        """Whether the dataset below is, and the sampler can be traced."""
        return self._compiles and on_device(self.dataset)

    @property
    def sample_bytes(self) -> int:
        """The bytes of a sample below."""
        return sample_bytes(self.dataset)


@pytree
class _Function:
    """A sampler that is part of the structure, since it has no leaves."""

    function: Callable[[Dataset, Any], Any] = static()

    def __call__(self, dataset: Dataset, index: Any) -> Any:
        return self.function(dataset, index)

    def __repr__(self) -> str:
        return describe(self.function)


@contextmanager
def _explained(dataset: ResampleDataset) -> Iterator[None]:
    try:
        yield
    except (
        jax.errors.TracerArrayConversionError,
        jax.errors.TracerIntegerConversionError,
        jax.errors.ConcretizationTypeError,
    ) as error:
        raise TypeError(
            f"The sampler of {dataset!r} works on NumPy values, but the data lies on a"
            " device, where it is traced. Use operators and methods that tracers have"
            " too, or leave batched=True out: then it is called on the host."
        ) from error
    except Exception as error:
        error.add_note(
            f"ResampleDataset: while the sampler {describe(dataset.sampler)} was asked"
            " for indices."
        )
        raise
