"""Hyperparameters, as trackers take them."""

import math
from collections.abc import Mapping
from typing import Any

from tntjax._plain import as_plain
from tntjax._struct import describe


def read_parameters(parameters: Any, who: str) -> dict[str, Any]:
    """Returns hyperparameters as numbers, bools and text under flat names.

    Args:
      parameters: a dict; one in it gives names such as `optimizer/lr`. None for none.
      who: the view, for the error.

    Returns:
      A dict, without what is None. What is neither number nor text is described.

    Raises:
      TypeError: if it is not a dict.

    Example:
      >>> read_parameters({"lr": 0.1, "model": {"act": max, "sizes": [3, 2]}}, "")
      {'lr': 0.1, 'model/act': 'max', 'model/sizes': '[3, 2]'}
    """
    if not isinstance(parameters, Mapping | None):
        raise TypeError(
            f"{who} needs a dict of hyperparameters, got {describe(parameters)}."
            " Write {'lr': 0.1}."
        )
    flat = {}
    for name, value in as_plain(dict(parameters or {})).items():
        if isinstance(value, Mapping):
            inner = read_parameters(value, who)
            flat |= {f"{name}/{key}": entry for key, entry in inner.items()}
        elif isinstance(value, float) and not math.isfinite(value):
            flat[str(name)] = str(value)
        elif isinstance(value, str | int | float):
            flat[str(name)] = value
        elif value is not None:
            flat[str(name)] = describe(value)
    return flat
