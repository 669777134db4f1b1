"""Functions made of functions: `identity`, `compose`, `merge`."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
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
    functions = check_functions(transforms, "compose")
    text = f"compose({describe(list(functions))})"
    return Bound(_apply_each, (functions,), text)


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
    keys = None
    if isinstance(transforms, Mapping):
        keys, transforms = tuple(transforms), list(transforms.values())
    functions = check_functions(transforms, "merge")
    kind: Any = type(transforms) if keys is None else dict
    shown = kind(functions if keys is None else zip(keys, functions, strict=True))
    return Bound(_collect, (functions, kind, keys), f"merge({describe(shown)})")


@dataclasses.dataclass(frozen=True, repr=False)
class Bound:
    """A function of a sample, equal to any other with the same arguments bound."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    text: str = dataclasses.field(compare=False)

    def __call__(self, sample: Sample) -> Any:
        return self.function(sample, *self.arguments)

    def __repr__(self) -> str:
        return self.text


def _apply_each(sample: Sample, transforms: tuple[Callable[[Any], Any], ...]) -> Sample:
    for transform in transforms:
        sample = transform(sample)
    return sample


def _collect(
    sample: Sample, functions: Sequence[Callable[[Any], Any]], kind: type, keys: Any
) -> Any:
    results = [function(sample) for function in functions]
    return kind(results if keys is None else zip(keys, results, strict=True))
