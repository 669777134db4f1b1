"""The parts of a step: what is read from a sample, what is called, how it weighs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.engine._state import State
from tntjax.network import Stateful, forward


def field(state: State, name: str) -> Any:
    """Returns a field of the sample, or says which fields there are."""
    sample = state.sample
    if isinstance(sample, dict) and name in sample:
        return sample[name]
    came = sorted(sample) if isinstance(sample, dict) else describe(sample)
    raise KeyError(
        f"The engine reads sample[{name!r}], but the sample is {came}. Name the fields"
        " 'input' and 'target', in the dataset or in on_sample:"
        " state.replace(sample={'input': ..., 'target': ...})."
    )


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
    input, model_state = field(state, "input"), state.model_state

    def run(params: Any) -> tuple[Any, Any]:
        with _explained("network", params=params, input=input):
            return forward(network, params, model_state, input, key, training)

    return run


def run_criterion(criterion: Any, state: State) -> Callable[[Any, Any], jax.Array]:
    """Returns `(criterion_params, output) -> loss` on the sample of the State."""
    target = field(state, "target")

    def run(params: Any, output: Any) -> jax.Array:
        if params is None:
            with _explained("criterion", output=output, target=target):
                return criterion(output, target)
        shown = {"criterion_params": params, "output": output, "target": target}
        with _explained("criterion", **shown):
            return criterion(params, output, target)

    return run


def loss_weight(loss: jax.Array, sample: Sample, whole: Sample) -> jax.Array:
    """How much each entry of the loss weighs in what is minimised.

    Args:
      loss: [] or [B].
      sample: the batch; of its `mask` [B], if there is one, only True rows count.
      whole: the batch that `sample` is a piece of, or `sample` itself.

    Returns:
      Weights of the loss's shape and dtype that sum to 1 over the whole batch.

    Raises:
      ValueError: if the loss has more axes, or a mask cannot be applied to it.
    """
    if not hasattr(loss, "shape") or loss.ndim > 1:
        raise ValueError(
            "The criterion must return a loss of shape [] or [B],"
            f" got {describe(loss)}. Take the mean over the other axes."
        )
    mask = sample.get("mask") if isinstance(sample, dict) else None
    if mask is None:
        share = 1.0 if sample is whole else rows(sample) / rows(whole)
        return jnp.full(loss.shape, share / max(loss.size, 1), loss.dtype)
    if loss.shape != mask.shape:
        raise ValueError(
            f"The sample has a mask {describe(mask)}, so the criterion must return one"
            f" loss for each row, got {describe(loss)}. Leave out its mean."
        )
    return mask.astype(loss.dtype) / jnp.maximum(count(whole), 1).astype(loss.dtype)


def rows(sample: Sample) -> int:
    """How many rows a batch has, counted or not."""
    shape = jnp.shape(jax.tree.leaves(sample)[0])
    return shape[0] if shape else 1


def count(sample: Sample) -> Any:
    """How many examples a batch holds, those that a mask hides left out."""
    if isinstance(sample, dict) and "mask" in sample:
        return sample["mask"].sum(dtype=jnp.int32)
    return jnp.int32(rows(sample))


@contextmanager
def _explained(what: str, **arguments: Any) -> Iterator[None]:
    """Says in the user's terms where an error came from, and with which shapes."""
    try:
        yield
    except Exception as error:
        shown = " and ".join(f"{k} = {describe(v)}" for k, v in arguments.items())
        error.add_note(f"This happened in {what}({', '.join(arguments)}) with {shown}.")
        raise
