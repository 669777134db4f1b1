import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from tntjax._struct import describe
from tntjax._types import Network
from tntjax.network._flags import check_flags

READ_TRAINING = """Read the argument `training`, which the engine passes, or give \
{name} another name."""

NO_STATE = """The network had no model_state. If it keeps statistics, as BatchNorm \
does, pass them beside its parameters: params=state.params, \
model_state=state.model_state, or the whole that tnt.network made of a module as \
network."""


@dataclasses.dataclass(frozen=True)
class Stateful:
    """A network with running statistics, dropout, or a way to behave in training.

    Args:
      apply: `(params, model_state, input, *, key, training) -> (output, model_state)`.
        `model_state` is a pytree that is not trained, `key` a PRNG key of this step
        alone, `training` a bool that is known when compiling. The `model_state` that a
        test returns is dropped.

    Example:
      >>> import jax.numpy as jnp
      >>> def apply(params, model_state, input, *, key, training):
      ...     mean = input.mean(0) if training else model_state
      ...     return params * (input - mean), 0.9 * model_state + 0.1 * mean
      >>> output, mean = forward(Stateful(apply), 2.0, 0.0, jnp.ones(3), None, True)
      >>> output.tolist(), round(float(mean), 1)
      ([0.0, 0.0, 0.0], 0.1)

    Torchnet: `network:training()` and `network:evaluate()`, which change the network.
    """

    apply: Callable[..., tuple[Any, Any]]

    def __post_init__(self) -> None:
        if not callable(self.apply):
            raise TypeError(f"Stateful needs a function, got {describe(self.apply)}.")
        passed = ("key", "training")
        check_flags("Stateful", self.apply, READ_TRAINING, given=3, passed=passed)


def forward(
    network: Network | Stateful,
    params: Any,
    model_state: Any,
    input: Any,
    key: jax.Array | None,
    training: bool,
) -> tuple[Any, Any]:
    """Calls a network, whichever kind it is.

    Args:
      network: `(params, input) -> output`, or a `Stateful`.
      params: what is trained.
      model_state: what is not; a plain function does not see it.
      input: a batch.
      key: for randomness; the key is consumed.
      training: whether it is being trained.

    Returns:
      The output, and the model state after it.

    Raises:
      TypeError: if a `Stateful` does not return two things, or if in training the
        output holds something that is not a number or an array of them.

    Example:
      >>> forward(lambda params, input: params * input, 2, None, 3, None, True)
      (6, None)
    """
    if not isinstance(network, Stateful):
        output = network(params, input)
        return _check_output(output) if training else output, model_state
    try:
        returned = network.apply(params, model_state, input, key=key, training=training)
    except Exception as error:
        if model_state is None:
            error.add_note(NO_STATE)
        raise
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise TypeError(
            "A Stateful network returns (output, model_state), got"
            f" {describe(returned)} from {describe(network.apply)}."
        )
    if training:
        _check_output(returned[0])
    return returned


def _check_output(output: Any) -> Any:
    """Returns an output if it has a gradient, or raises a TypeError."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(output):
        if not _is_numeric(leaf):
            where = jax.tree_util.keystr(path)
            raise TypeError(
                "In training a network must return numbers or arrays of them, in a"
                f" pytree if they are several; output{where} is {describe(leaf)}. What"
                " stays as it is can be a field of the sample."
            )
    return output


def _is_numeric(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind not in "OUSMm"  # objects, text, dates
    known = isinstance(leaf, jax.Array | bool | int | float | complex)
    return known or hasattr(leaf, "__jax_array__")
