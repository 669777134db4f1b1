"""Functions made of functions: `identity`, `compose`, `merge`."""

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from tntjax._check import check_functions
from tntjax._struct import describe
from tntjax._types import Sample


def identity(sample: Sample) -> Sample:
    """Returns what it is given.

    Args:
      sample: anything.

    Example:
      >>> identity(3)
      3

    Torchnet: `transform.identity`, which returned a function of no arguments.
    """
    return sample


def compose(
    transforms: Sequence[Callable[[Any], Any]],
) -> Callable[[Sample], Sample]:
    """Chains functions: the first is applied first.

    Args:
      transforms: functions of one argument; none at all make the identity.

    Returns:
      A function. Two of the same functions in the same order are equal, so JAX
      compiles what uses them once, and it can be pickled if they can.

    Raises:
      TypeError: if `transforms` isn't a sequence of functions.

    Example:
      >>> compose([len, str])([10, 20])
      '2'

    Torchnet: `transform.compose`. There a hole in the table ended the chain silently.
    """
    return _Compose(check_functions(transforms, "compose"))


def merge(
    transforms: Mapping[Hashable, Callable[[Any], Any]]
    | Sequence[Callable[[Any], Any]],
) -> Callable[[Sample], Any]:
    """Applies several functions to the same input and collects what they return.

    Args:
      transforms: a dict, list or tuple of functions of one argument.

    Returns:
      A function that returns a dict with the same keys, or a list, or a tuple.
      Equal and picklable as with `compose`.

    Raises:
      TypeError: if `transforms` isn't a dict or sequence of functions.

    Example:
      >>> merge({"least": min, "most": max})([3, 1, 2])
      {'least': 1, 'most': 3}

    Torchnet: `transform.merge`, which stacked the results into a tensor and lost
    their keys against its documentation.
    """
    if not isinstance(transforms, Mapping):
        return _Merge(type(transforms), check_functions(transforms, "merge"))
    functions = check_functions(list(transforms.values()), "merge")
    return _Merge(dict, functions, tuple(transforms))


@dataclasses.dataclass(frozen=True, repr=False)
class _Compose:
    transforms: tuple[Callable[[Any], Any], ...]

    def __call__(self, sample: Sample) -> Sample:
        for transform in self.transforms:
            sample = transform(sample)
        return sample

    def __repr__(self) -> str:
        return f"compose({describe(list(self.transforms))})"


@dataclasses.dataclass(frozen=True, repr=False)
class _Merge:
    kind: type
    transforms: tuple[Callable[[Any], Any], ...]
    keys: tuple[Hashable, ...] = ()

    def __call__(self, sample: Sample) -> Any:
        return self._collect(transform(sample) for transform in self.transforms)

    def _collect(self, values: Iterable[Any]) -> Any:
        made = zip(self.keys, values, strict=True) if self.kind is dict else values
        return self.kind(made)

    def __repr__(self) -> str:
        return f"merge({describe(self._collect(self.transforms))})"
