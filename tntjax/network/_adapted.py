from typing import Any, NamedTuple

import jax

from tntjax.network._stateful import Stateful

LEFT_OUT = """params= without model_state= would run with trained parameters and the \
statistics from before: pass model_state=state.model_state as well."""


class Adapted(NamedTuple):
    """A module of another library, taken apart for an engine.

    `engine.train(network=adapted, ...)` begins with its parameters and model state, and
    `network, params, model_state = adapted` are the arguments one by one.

    Args:
      network: what the engine calls. Adapting the same module twice gives equal ones,
        so that the second training compiles nothing.
      params: the parameters, in the form that the library gives them, or as dicts.
      model_state: what the module keeps beside them.

    Example:
      >>> network, params, model_state = Adapted(Stateful(max), {"weight": 1.0}, None)
      >>> params
      {'weight': 1.0}
    """

    network: Stateful
    params: Any
    model_state: Any


def take_apart(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of an engine with an adapted module taken apart.

    Its parameters and model state count where there are no others; parameters without
    the model state that belongs to them are a TypeError.
    """
    adapted = arguments.get("network")
    if not isinstance(adapted, Adapted):
        return arguments
    arguments = {**arguments, "network": adapted.network}
    if arguments.get("state") is not None:
        return arguments
    own = {"params": adapted.params, "model_state": adapted.model_state}
    if "params" not in arguments:
        return own | arguments
    if "model_state" not in arguments and jax.tree.leaves(adapted.model_state):
        raise TypeError(LEFT_OUT)
    return {"model_state": adapted.model_state} | arguments
