"""The parts of a step: what is called, and how much each loss weighs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.engine._rows import count_examples, count_rows, read_field
from tntjax.engine._state import State
from tntjax.network import Stateful, forward


def with_own_key(network: Any, state: State) -> tuple[State, jax.Array | None]:
    """Splits the key of the State if the network may need one."""
    if not isinstance(network, Stateful):
        return state, None
    key, own = jax.random.split(state.key)
    return state.replace(key=key), own


def run_network(
    network: Any, state: State, key: Any, training: bool
) -> Callable[[Any], tuple[Any, Any]]:
    """Returns `params -> (output, model_state)` on the sample of the State."""
    input, model_state = read_field(state.sample, "input"), state.model_state

    def run(params: Any) -> tuple[Any, Any]:
        with _explained("network", params=params, input=input):
            return forward(network, params, model_state, input, key, training)

    return run


def run_criterion(criterion: Any, state: State) -> Callable[[Any, Any], jax.Array]:
    """Returns `(criterion_params, output) -> loss` on the sample of the State."""
    target = read_field(state.sample, "target")

    def run(params: Any, output: Any) -> jax.Array:
        if params is None:
            with _explained("criterion", output=output, target=target):
                return criterion(output, target)
        shown = {"criterion_params": params, "output": output, "target": target}
        with _explained("criterion", **shown):
            return criterion(params, output, target)

    return run


def weigh_losses(loss: Any, mask: Any, piece: Sample, whole: Sample) -> jax.Array:
    """Computes how much each entry of a loss weighs in what is minimised.

    Args:
      loss: [] or [B].
      mask: [B] bool, only True rows count; or None.
      piece: the rows that the loss is of.
      whole: the batch that they are a piece of, or all of.

    Returns:
      Weights of the loss's shape that sum to 1 over the whole batch, in float32 at
      least: smaller types cannot count the rows.

    Raises:
      ValueError: if the loss has more axes, or a mask cannot be applied to it.
      TypeError: if it has no gradient.
    """
    if not hasattr(loss, "shape") or loss.ndim > 1:
        raise ValueError(
            "The criterion must return a loss of shape [] or [B],"
            f" got {describe(loss)}. Take the mean over the other axes."
        )
    if not jnp.issubdtype(loss.dtype, jnp.floating):
        raise TypeError(
            "The criterion must return real floats, or there is no gradient; got"
            f" {describe(loss)}. Of a complex loss take the square of jnp.abs; keep"
            " counts of errors in a meter."
        )
    dtype = jnp.float32 if loss.dtype.itemsize < 4 else loss.dtype
    if mask is None:
        share = count_rows(piece) / max(count_rows(whole), 1)
        return jnp.full(loss.shape, share / max(loss.size, 1), dtype)
    if loss.shape != mask.shape:
        raise ValueError(
            f"The sample has a mask {describe(mask)}, so the criterion must return one"
            f" loss for each row, got {describe(loss)}. Leave out its mean."
        )
    return mask / jnp.maximum(count_examples(whole), 1).astype(dtype)


def weighted_sum(loss: jax.Array, weight: jax.Array) -> jax.Array:
    """Adds up losses times weights; a loss that weighs nothing may be anything."""
    counted = jnp.where(weight > 0, loss.astype(weight.dtype), 0)
    return jnp.sum(counted * weight).astype(loss.dtype)


@contextmanager
def _explained(what: str, **arguments: Any) -> Iterator[None]:
    """Says in the user's terms where an error came from, and with which shapes."""
    try:
        yield
    except Exception as error:
        shown = " and ".join(f"{k} = {describe(v)}" for k, v in arguments.items())
        error.add_note(f"This happened in {what}({', '.join(arguments)}) with {shown}.")
        raise
