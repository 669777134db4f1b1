"""Checks of what a summary is given."""

from typing import Any

import jax
import numpy as np

from tntjax._check import check_function
from tntjax._struct import describe
from tntjax.engine._check import check_params
from tntjax.engine._optimizer import check_optimizer
from tntjax.network._adapted import take_apart
from tntjax.network._check import check_network, takes

NO_PARAMS = """summary needs params=..., a pytree of float arrays or of their shapes \
(an empty tuple if the network has none), or an adapted module, such as \
tnt.network.nnx(model), which has its own."""

NOT_ALONE = """{name} is for the train step, which needs {lacks} as well. Pass it, or \
leave {name} out."""

NO_TARGET = """criterion {criterion} takes (output, target): pass target=, an array or \
its shape."""

NOT_AN_ARRAY = """{where} is {what}, but must be an array or its shape, such as \
jax.ShapeDtypeStruct((64, 784), "float32")."""


def check_given(
    network: Any, params: Any, model_state: Any, sample: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """Takes an adapted module apart, and checks what an engine would be given."""
    given = {"network": network, "params": params, "model_state": model_state}
    given = take_apart({k: v for k, v in given.items() if v is not None})
    network, params = given.get("network"), given.get("params")
    check_network(network)
    if params is None:
        raise TypeError(NO_PARAMS)
    check_params("params", jax.tree.map(_stand_in, params))
    model_state = given.get("model_state")
    for name, tree in {"model_state": model_state, **sample}.items():
        _check_arrays(name, tree)
    return network, params, model_state


def check_step(sample: dict[str, Any], criterion: Any, optimizer: Any) -> None:
    """Checks that all that a train step needs is there, or nothing of it."""
    step = {"target": sample["target"], "optimizer": optimizer}
    for name, value in step.items():
        if value is not None and criterion is None:
            raise TypeError(NOT_ALONE.format(name=f"{name}=", lacks="criterion="))
    if criterion is None:
        return
    check_function(criterion, "criterion must be a function, but it")
    if sample["input"] is None:
        raise TypeError(NOT_ALONE.format(name="criterion=", lacks="input="))
    if sample["target"] is None and not takes(criterion, 1):
        raise TypeError(NO_TARGET.format(criterion=describe(criterion)))
    if optimizer is not None:
        check_optimizer("optimizer", optimizer)


def _stand_in(leaf: Any) -> Any:
    """Returns an array in the place of a shape, one that takes no memory."""
    if isinstance(leaf, jax.ShapeDtypeStruct) and isinstance(leaf.dtype, np.dtype):
        return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
    return leaf


def _check_arrays(name: str, tree: Any) -> None:
    if isinstance(tree, tuple | list) and tree and {*map(type, tree)} == {int}:
        raise TypeError(NOT_AN_ARRAY.format(where=name, what=describe(tree)))
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        is_array = hasattr(leaf, "shape") and hasattr(leaf, "dtype")
        # Text, times and objects of NumPy; keys of JAX have no kind.
        is_array = is_array and getattr(leaf.dtype, "kind", "V") not in "OSUMm"
        if not is_array and not isinstance(leaf, bool | int | float | complex):
            where = name + jax.tree_util.keystr(path)
            raise TypeError(NOT_AN_ARRAY.format(where=where, what=describe(leaf)))
