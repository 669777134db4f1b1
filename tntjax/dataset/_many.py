"""Many samples of a dataset that reads them together: `__getitems__`."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._protocol import is_unchecked

BLOCK = 128
"""Samples that are asked for at once, so that a long run takes no more memory."""


def read_samples(dataset: Dataset, indices: list[int]) -> Iterator[Sample]:
    """Reads samples one after another, or together where the dataset can.

    That is with `__getitems__(indices)`, as datasets of Hugging Face and torch have it.

    Raises:
      TypeError: if `__getitems__` returns something else than samples in a row.
      ValueError: if it returns another number of them.
    """
    kind: Any = type(dataset)
    name = f"{kind.__name__}.__getitems__"
    if is_unchecked(kind):
        yield from kind._read_each(dataset, indices)
    elif not has_getitems(kind):
        yield from (dataset[index] for index in indices)
    else:
        for start in range(0, len(indices), BLOCK):
            block = indices[start : start + BLOCK]
            try:
                samples = kind.__getitems__(dataset, block)
            except Exception as error:
                error.add_note(f"{name}: while reading samples {describe(block)}.")
                raise
            if isinstance(samples, Mapping | str | bytes) or not hasattr(
                samples, "__len__"
            ):
                raise TypeError(
                    f"{name}(indices) must return a list with a sample for each index,"
                    f" got {describe(samples)}."
                )
            if len(samples) != len(block):
                raise ValueError(
                    f"{name}(indices) must return a sample for each index: it was given"
                    f" {len(block)} and returned {len(samples)}."
                )
            yield from samples


@lru_cache(maxsize=256)
def has_getitems(kind: type) -> bool:
    """True if a type's `__getitems__` can be asked in place of its `__getitem__`.

    Not if a subclass has changed `__getitem__` alone, which the other would go past.
    """
    for part in kind.__mro__:
        if "__getitem__" in vars(part) or "__getitems__" in vars(part):
            return callable(vars(part).get("__getitems__"))
    return False
