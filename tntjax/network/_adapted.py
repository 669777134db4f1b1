"""The result of adapting another library's module, and parts that adapters share."""

import importlib
from typing import Any, NamedTuple

from tntjax.network._stateful import Stateful


class Adapted(NamedTuple):
    """A module of another library as the arguments that an engine takes.

    `engine.train(**adapted._asdict(), ...)` passes all three.

    Args:
      network: what the engine calls. Adapting the same module twice gives equal ones,
        so that the second training compiles nothing.
      params: the parameters, in the form that the library gives them, or as dicts.
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
