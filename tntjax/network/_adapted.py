"""What adapting a module of another library gives, and what adapters share."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from tntjax.network._stateful import Stateful

OPPOSITE = ("deterministic", "inference", "use_running_average")
KNOWN = ("is_training", "train", "training", *OPPOSITE)


class Adapted(NamedTuple):
    """A module of another library as the arguments that an engine takes.

    `engine.train(**adapted._asdict(), ...)` passes all three.

    Args:
      network: what the engine calls. Adapting the same module twice gives equal ones,
        so that the second training compiles nothing.
      params: the parameters, in the form that the library gives them.
      model_state: what the module keeps beside them.

    Example:
      >>> Adapted(Stateful(max), {"weight": 1.0}, None)._asdict().keys()
      dict_keys(['network', 'params', 'model_state'])
    """

    network: Stateful
    params: Any
    model_state: Any


def library(name: str, adapter: str, extra: str) -> Any:
    """Imports an optional library, or raises an ImportError that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f'tnt.network.{adapter} needs {name}: pip install "tntjax[{extra}]".'
        ) from error


def training_flags(function: Callable[..., Any], name: str | None) -> tuple[str, ...]:
    """Returns the keywords that tell a function whether it is in training."""
    if name is not None:
        return (name,)
    return tuple(n for n in inspect.signature(function).parameters if n in KNOWN)


def flag_values(flags: tuple[str, ...], training: bool) -> dict[str, bool]:
    """Returns the values of these keywords; some are True where others are False."""
    return {name: training != (name in OPPOSITE) for name in flags}
