"""Functions on tables, that is on dicts, lists and tuples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tntjax._check import check_function
from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.transform._compose import Bound
from tntjax.utils import foreach


def table_apply(transform: Callable[[Any], Any]) -> Callable[[Sample], Sample]:
    """Applies a function to each value of a table, one level deep.

    Args:
      transform: a function of one argument.

    Returns:
      A function of a dict, list or tuple that returns a new one of the same kind with
      the same keys, and raises TypeError for anything else. Equal and picklable if
      `transform` is.

    Raises:
      TypeError: if `transform` isn't callable.

    Example:
      >>> table_apply(len)({"input": [1, 2], "target": [3]})
      {'input': 2, 'target': 1}

    Torchnet: `transform.tableapply`.
    """
    check_function(transform, "table_apply needs a function, but its argument")
    return Bound(_apply, (transform,), f"table_apply({describe(transform)})")


def _apply(sample: Sample, transform: Callable[[Any], Any]) -> Sample:
    if not isinstance(sample, Mapping | list | tuple):
        raise TypeError(
            f"table_apply needs a dict, list or tuple, got {describe(sample)}."
            " Apply the function to it directly."
        )
    return foreach(sample, transform)


def table_merge_keys(samples: Sequence[Sample] | Mapping[Any, Sample]) -> Sample:
    """Turns samples of fields into fields of samples.

    Args:
      samples: a list of dicts, all with the same keys; or a list of tuples, all of
        the same length; or a dict of dicts.

    Returns:
      `{field: [value of each sample]}`, or a tuple of lists. For a dict of dicts
      `{field: {name: value}}`, where a sample that lacks a field is left out.

    Raises:
      ValueError: if there are no samples, or one of a list has other keys than the
        first.
      TypeError: if a sample isn't a dict or tuple as the first is.

    Example:
      >>> table_merge_keys([{"input": 1, "target": 2}, {"input": 3, "target": 4}])
      {'input': [1, 3], 'target': [2, 4]}
      >>> table_merge_keys({"left": {"size": 1}, "right": {"size": 2}})
      {'size': {'left': 1, 'right': 2}}

    Torchnet: `transform.tablemergekeys`, a factory without arguments. There a field
    that some samples of a list lacked left holes.
    """
    if isinstance(samples, Mapping):
        return _merge_named(samples)
    if len(samples) == 0:
        raise ValueError("table_merge_keys needs at least one sample, got none.")
    first = samples[0]
    if not isinstance(first, Mapping | tuple):
        raise TypeError(
            f"table_merge_keys needs samples that are dicts or tuples, got"
            f" {describe(first)}. Give its values names: {{'input': ...}}."
        )
    kind = Mapping if isinstance(first, Mapping) else tuple
    for number, sample in enumerate(samples):
        check_keys(first, sample, f"sample {number}", kind)
    if kind is tuple:
        return tuple(list(column) for column in zip(*samples, strict=True))
    return {key: [sample[key] for sample in samples] for key in first}


def _merge_named(samples: Mapping[Any, Sample]) -> dict[Any, dict[Any, Any]]:
    fields: dict[Any, dict[Any, Any]] = {}
    for name, sample in samples.items():
        if not isinstance(sample, Mapping):
            raise TypeError(
                "table_merge_keys needs a dict of dicts, but entry"
                f" {name!r} is {describe(sample)}."
            )
        for key, value in sample.items():
            fields.setdefault(key, {})[name] = value
    return fields


def check_keys(first: Any, sample: Any, where: str, kind: type) -> None:
    """Raises if a sample, called `where`, is not of the kind or has other keys."""
    if not isinstance(sample, kind):
        raise TypeError(
            f"Samples of one batch must be alike, but {where} is {describe(sample)}"
            f" where sample 0 is {describe(first)}."
        )
    if kind is tuple:
        if getattr(sample, "_fields", ()) != getattr(first, "_fields", ()):
            raise TypeError(
                f"Samples of one batch must be alike, but {where} is a"
                f" {type(sample).__name__} where sample 0 is a {type(first).__name__}."
            )
        if len(sample) != len(first):
            raise ValueError(
                f"Samples of one batch need as many entries each, but {where} has"
                f" {len(sample)} where sample 0 has {len(first)}."
            )
        return
    problems = [f"lacks {k!r}, which sample 0 has" for k in first if k not in sample]
    problems += [f"has {k!r}, which sample 0 lacks" for k in sample if k not in first]
    if problems:
        raise ValueError(
            f"Samples of one batch need the same keys, but {where} {problems[0]}. Give"
            " every sample every key."
        )
