"""Chunks: how a run of samples enters one compiled call."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import as_array, empty_aligned
from tntjax._struct import describe, pytree, static
from tntjax._types import Dataset, Room, Sample
from tntjax.dataset._protocol import bytes_of
from tntjax.dataset._take import take
from tntjax.transform._batch import check_fields, stack_rows
from tntjax.transform._row import flatten

NUMBERS = (np.number, np.bool_, jax.dtypes.prng_key)


@pytree
class StackedChunk:
    """Samples gathered on the host and stacked: one transfer brings K of them."""

    samples: Any  # leaves [K, ...]

    @property
    def xs(self) -> Any:
        """The samples themselves."""
        return self.samples

    def read(self, x: Any) -> Sample:
        """Returns the slice: it is the sample."""
        return x

    def part(self, number: int) -> "StackedChunk":
        """Returns the chunk that holds one of the samples alone."""
        rows = slice(number, number + 1)
        return StackedChunk(jax.tree.map(lambda leaf: leaf[rows], self.samples))  # [1]

    def padded(self, length: int) -> "StackedChunk":
        """Returns the chunk with other rows behind, `length` samples in all."""
        return StackedChunk(jax.tree.map(lambda a: _pad(a, length), self.samples))

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.samples)[0])


@pytree
class IndexedChunk:
    """Numbers [K] of samples that compiled code gathers from a dataset on the device.

    The dataset is an argument of the compiled call and never a constant. A sample of
    another shape, such as a shorter last batch, comes alone, and its number `only` is
    known when the call is compiled.
    """

    dataset: Dataset
    indices: Any  # [K]
    transform: Callable[[Sample], Sample] | None = static(default=None)
    only: int | None = static(default=None)

    @property
    def xs(self) -> Any:
        """The indices."""
        return self.indices

    def read(self, x: Any) -> Sample:
        """Returns sample `x`, gathered where the dataset lies."""
        one = self.only
        sample = take(self.dataset, x) if one is None else self.dataset[one]
        return sample if self.transform is None else self.transform(sample)

    def part(self, number: int) -> "IndexedChunk":
        """Returns the chunk that holds one of the samples alone."""
        return dataclasses.replace(self, indices=self.indices[number : number + 1])

    def padded(self, length: int) -> "IndexedChunk":
        """Returns the chunk with more indices behind, `length` in all."""
        alone = self.only is not None  # and so it stays
        indices = self.indices if alone else _pad(self.indices, length)
        return dataclasses.replace(self, indices=indices)

    def __len__(self) -> int:
        return len(self.indices)


def _pad(array: Any, length: int) -> Any:
    if isinstance(array, jax.Array):
        # The last is repeated, as keys have no zero.
        return array[np.arange(length).clip(None, len(array) - 1)]  # [length, ...]
    rows = empty_aligned((length, *array.shape[1:]), array.dtype)  # [length, ...]
    rows[: len(array)], rows[len(array) :] = array, 0
    return rows


def group(
    samples: Iterable[Sample], room: Room, position: int
) -> Iterator[StackedChunk]:
    """Stacks consecutive samples as long as they are alike and there is room."""
    group: list[Sample] = []
    kind, limit = None, 1  # limit: set at the first of each group
    # Room depends on the size of a sample, so it is asked for at the first of a group.
    for sample in samples:
        like = _find_signature(sample)
        if like != kind:
            yield from _stack(group)
            position, group, kind = position + len(group), [], like
        if not group:
            limit = room(position, bytes_of(sample))
        group.append(sample)
        if len(group) == limit:  # handed over before the next one is waited for
            yield from _stack(group)
            position, group = position + limit, []
    yield from _stack(group)


def _stack(group: list[Sample]) -> Iterator[StackedChunk]:
    if group:
        yield StackedChunk(check_arrays(stack_rows(group, len(group))))


def _find_signature(sample: Sample) -> tuple:
    """Finds structure, shapes and dtypes; two samples stack if these are equal."""
    check_fields(sample)
    leaves, structure = flatten(sample, lambda node: isinstance(node, list))
    return structure, tuple(
        list
        if isinstance(leaf, list)  # which never stack, and may hold any number of lists
        else (np.shape(leaf), getattr(leaf, "dtype", type(leaf)))
        for leaf in leaves
    )


def check_arrays(samples: Sample) -> Sample:
    """Returns stacked samples if compiled code can take them, or raises TypeError."""
    # A list is a column that could not be stacked.
    columns = jax.tree_util.tree_leaves_with_path(
        samples, is_leaf=lambda node: isinstance(node, list)
    )
    for path, column in columns:
        known = isinstance(column, np.ndarray | jax.Array)
        dtype = column.dtype if known else np.dtype(object)
        if not any(jnp.issubdtype(dtype, kind) for kind in NUMBERS):
            where = f"sample{jax.tree_util.keystr(path)}"
            raise TypeError(
                f"An engine takes arrays of numbers, but {where} is {describe(column)}."
                " Leave the field out, or encode it, in a TransformDataset or in"
                " DatasetIterator(transform=...)."
            )
    if not columns:
        raise TypeError(
            "An engine takes arrays of numbers, but a sample has none:"
            f" {describe(samples)}."
        )
    native = all(getattr(column.dtype, "isnative", True) for _, column in columns)
    return samples if native else jax.tree.map(as_array, samples)
