"""The data that a run was trained on, and a fingerprint of it."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from tntjax._struct import describe
from tntjax._types import is_dataset
from tntjax.utils import md5

MOST_READ = 32
"""How many samples the fingerprint is made of."""

Facts = dict[str, str]


def describe_data(iterator: Any) -> Facts:
    """Describes the datasets under an iterator, with a fingerprint of the innermost.

    Args:
      iterator: what a State holds: of epoch 0, if its source is a function.

    Returns:
      Texts by name, none if there is no dataset to be seen.
    """
    layers = list(_find_layers(iterator))
    if not layers:
        return {}
    data = layers[-1]
    names = [type(iterator).__name__, *map(_show_layer, layers)]
    facts = {"from the outside in": " \u2192 ".join(names)}
    try:
        facts["one sample"] = describe(data[0])
        facts["fingerprint"] = _sum_up(data)
    except Exception as error:  # of a reader of the user's; the page is still worth it
        facts["fingerprint"] = f"none: {type(error).__name__}: {error}"
    return facts


def _find_layers(iterator: Any) -> Iterator[Any]:
    """Yields the dataset that is read and, one by one, those that it wraps."""
    source = getattr(iterator, "source", getattr(iterator, "closure", None))
    if callable(source) and not is_dataset(source):
        try:
            source = source(0)
        except Exception:  # it asks for more than the epoch
            return
    while is_dataset(source):
        yield source
        source = getattr(source, "dataset", None)


def _show_layer(dataset: Any) -> str:
    parts = [f"{len(dataset):,} samples"]
    if dataclasses.is_dataclass(dataset):
        values = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(dataset)}
        parts += [
            f"{name}={value!r}"
            for name, value in values.items()
            if isinstance(value, int | float | str)
        ]
    return f"{type(dataset).__name__}({', '.join(parts)})"


def _sum_up(dataset: Any) -> str:
    """Tells the sum of some samples, and exactly which these are."""
    count = len(dataset)
    picked = np.linspace(0, count - 1, min(count, MOST_READ)).astype(int).tolist()
    digest = md5([dataset[index] for index in picked])
    if len(picked) == count:
        return f"{digest}, the MD5 sum of all {count:,} samples"
    shown = ", ".join(map(str, [*picked[:3], "...", picked[-1]]))
    return (
        f"{digest}, the MD5 sum of {len(picked)} of {count:,} samples, evenly spaced"
        f" ({shown}); a change in others is not seen"
    )
