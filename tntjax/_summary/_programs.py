"""The programs that are analysed: a forward pass, and the step of an engine."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._summary._arrays import as_shapes
from tntjax._summary._cost import Cost, analyse
from tntjax._types import Criterion, Network
from tntjax.engine._criterion import explain_call
from tntjax.engine._hooks import Hooks
from tntjax.engine._program import Program, train_step
from tntjax.engine._state import COUNTERS, Carry, split_state
from tntjax.engine._update import OptaxUpdate, sgd_update
from tntjax.network import Stateful, forward


def analyse_forward(
    network: Network | Stateful, params: Any, model_state: Any, input: Any
) -> tuple[Cost, Any]:
    """Analyses what a test does: a network on a batch, not in training.

    Args:
      network: what an engine calls.
      params: shapes of its parameters.
      model_state: shapes of what it keeps beside them.
      input: shapes of a batch.

    Returns:
      The cost, and the shapes of the output.
    """

    def run(params: Any, model_state: Any, input: Any, key: Any) -> Any:
        with explain_call("network", params=params, input=input):
            return forward(network, params, model_state, input, key, False)[0]

    return analyse(run, params, model_state, input, _key_shape())


def analyse_step(
    network: Network | Stateful,
    params: Any,
    model_state: Any,
    sample: dict[str, Any],
    criterion: Criterion,
    optimizer: Any,
) -> Cost:
    """Analyses one step of an engine without hooks.

    Args:
      network: what an engine calls.
      params: shapes of its parameters.
      model_state: shapes of what it keeps beside them.
      sample: shapes of a batch.
      criterion: the loss.
      optimizer: of optax, or None for plain gradient descent.

    Returns:
      The cost.
    """
    update: Any = sgd_update if optimizer is None else OptaxUpdate(optimizer)
    program = Program(network, criterion, update, Hooks())

    def step(heavy: dict[str, Any], light: dict[str, Any], sample: Any) -> Carry:
        return split_state(train_step(program, program.state(heavy, light), sample))

    heavy = {"params": params, "model_state": model_state}
    light = {**_numbers(COUNTERS, jnp.int32), "key": _key_shape()}
    if optimizer is None:
        light |= _numbers(("lr",), float)
    else:
        start: Callable[..., Any] = optimizer.init
        heavy["opt_state"] = as_shapes(jax.eval_shape(start, params))
    return analyse(step, heavy, light, sample, donated=(0,))[0]


def _numbers(names: tuple[str, ...], dtype: Any) -> dict[str, Any]:
    return {n: jax.ShapeDtypeStruct((), jnp.result_type(dtype)) for n in names}


def _key_shape() -> Any:
    return as_shapes(jax.eval_shape(jax.random.key, 0))
