"""Chunks: how samples enter one compiled call, and how a run of them is cut."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from tntjax._struct import describe, pytree, static
from tntjax._types import Dataset, Room, Sample
from tntjax.dataset._take import take
from tntjax.transform._batch import stack_rows


@pytree
class StackedChunk:
    """Samples gathered on the host, stacked.

    Args:
      samples: the pytree with leaves [K, ...].

    Purpose: data in NumPy; one transfer brings K samples to the device.
    """

    samples: Any

    @property
    def xs(self) -> Any:
        """The samples themselves."""
        return self.samples

    def read(self, x: Any) -> Sample:
        """Returns the slice: it is the sample."""
        return x

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.samples)[0])


@pytree
class IndexedChunk:
    """Numbers of samples that compiled code gathers from a dataset on the device.

    Args:
      dataset: the dataset, an argument of the compiled call and never a constant.
      indices: [K] integers.
      transform: `sample -> sample`, or None.

    Purpose: data on the device; K numbers are all that is transferred.
    """

    dataset: Dataset
    indices: Any
    transform: Callable[[Sample], Sample] | None = static(default=None)

    @property
    def xs(self) -> Any:
        """The indices."""
        return self.indices

    def read(self, x: Any) -> Sample:
        """Returns sample `x`, gathered where the dataset lies."""
        sample = take(self.dataset, x)
        return sample if self.transform is None else self.transform(sample)

    def __len__(self) -> int:
        return len(self.indices)


def cut(room: int, remaining: int) -> int:
    """The length of the next chunk: what there is room for, else a power of two."""
    return room if room <= remaining else 1 << (remaining.bit_length() - 1)


def grouped(
    samples: Iterable[Sample], room: Room, position: int
) -> Iterator[StackedChunk]:
    """Stacks consecutive samples as long as they are alike and there is room."""
    group: list[Sample] = []
    kind, limit = None, 1
    for sample in samples:
        like = _signature(sample)
        if group and (like != kind or len(group) == limit):
            yield from _stacked(group, limit)
            position, group = position + len(group), []
        if not group:
            kind, limit = like, room(position, _sample_size(sample))
        group.append(sample)
    yield from _stacked(group, limit)


def _stacked(group: list[Sample], limit: int) -> Iterator[StackedChunk]:
    while group:
        size = cut(limit, len(group))
        yield StackedChunk(stack_rows(iter(group[:size]), size))
        group = group[size:]


def _signature(sample: Sample) -> tuple:
    """Structure, shapes and dtypes; two samples stack if these are equal."""
    leaves, structure = jax.tree.flatten(sample)
    return structure, tuple(
        (np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves
    )


def _sample_size(sample: Sample) -> int:
    """The bytes of a sample's arrays."""
    return sum(getattr(leaf, "nbytes", 8) for leaf in jax.tree.leaves(sample))


def check_arrays(sample: Sample) -> Sample:
    """Returns the sample if compiled code can take it, else names the field."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(sample):
        number = isinstance(leaf, bool | int | float | complex)
        kind = getattr(getattr(leaf, "dtype", None), "kind", None)
        if not number and (kind is None or kind in "OSUMm"):
            raise TypeError(
                "An engine takes arrays of numbers, but"
                f" sample{jax.tree_util.keystr(path)} is {describe(leaf)}. Leave the"
                " field out, or encode it, in a TransformDataset or in"
                " DatasetIterator(transform=...)."
            )
    return sample
