"""IndexMap: what datasets that map indices have in common."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from operator import getitem
from typing import Any

import jax
from jax.typing import ArrayLike

from tntjax._types import Sample
from tntjax.dataset._protocol import (
    MOST_ON_DEVICE,
    Spec,
    bytes_of,
    check_index,
    check_indices,
    is_unchecked,
)
from tntjax.dataset._take import take, take_one_by_one


class IndexMap:
    """Checks indices where they enter, and hands them down unchecked.

    A dataset has `__len__` and `_get(index)` for an index in range; `_take(rows)` or
    `_read_each(rows)` if it can read many at once, and `spec` if more is known of its
    samples. What it wraps it reads with `_get_wrapped` and `_take_wrapped`.
    """

    dataset: Any

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Sample]:
        # Without this Python takes any IndexError for the end.
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        # `len(self)` would leave the interpreter for C and enter it again.
        if (
            type(index) is int
            and 0 <= index < MOST_ON_DEVICE
            and index < self.__len__()
        ):
            return self._get(index)
        index = check_index(self, index)
        return self._take(index) if isinstance(index, jax.Array) else self._get(index)

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        return list(self._read_each(check_indices(self, indices).tolist()))

    def take(self, indices: ArrayLike) -> Sample:
        """Reads many samples at once, as `tnt.take(dataset, indices)` does.

        Args:
          indices: integers of any shape S, which may be traced if the data lies on a
            device and nothing is left for the host to do.

        Returns:
          The sample with leaves [*S, ...], arrays of their own.

        Raises:
          IndexError, TypeError, ValueError: as `tnt.take`.
        """
        return self._take(check_indices(self, indices))

    def _get(self, index: int) -> Sample: ...

    def _take(self, rows: Any) -> Sample:
        return take_one_by_one(self, rows, self._read_each)

    def _read_each(self, rows: list[int]) -> Iterable[Sample]:
        return (self._get(row) for row in rows)

    @cached_property
    def _get_wrapped(self) -> Callable[[int], Sample]:
        known = is_unchecked(type(self.dataset))
        return self.dataset._get if known else partial(getitem, self.dataset)

    @cached_property
    def _take_wrapped(self) -> Callable[[Any], Sample]:
        return find_take(self.dataset)

    def __getstate__(self) -> dict[str, Any]:
        cached = ("_get_wrapped", "_take_wrapped", "_takes")
        return {name: value for name, value in vars(self).items() if name not in cached}

    @property
    def spec(self) -> Spec:
        """The description of the samples."""
        return Spec(0, False, lambda: bytes_of(self[0]))

    @property
    def uniform_length(self) -> int:
        """The number of leading samples known to share structure, shapes and dtypes."""
        return self.spec.alike

    @property
    def on_device(self) -> bool:
        """True if compiled code can gather samples: their arrays lie on a device."""
        return self.spec.on_device

    @property
    def sample_bytes(self) -> int:
        """The size of one sample; reads one where nothing else tells."""
        return self.spec.bytes()


def find_take(dataset: Any) -> Callable[[Any], Sample]:
    """Returns the function that takes samples of a wrapped dataset by rows in range.

    A foreign dataset is asked with a check, and so is one of ours that has more samples
    than a device can count: there a row may be in range and too large.
    """
    if is_unchecked(type(dataset)) and len(dataset) <= MOST_ON_DEVICE:
        return dataset._take
    return partial(take, dataset)
