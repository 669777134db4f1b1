"""Training in float16 without losing small gradients."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._numbers import check_at_least, check_number
from tntjax.engine import Hooks, State
from tntjax.hooks._arguments import explain_arguments
from tntjax.hooks._bind import bind, claim, put, skip_if

NAME = "loss_scaling"
SMALLEST, LARGEST = 2.0**-14, 2.0**24
"""Between these the scale stays. A gradient that the smallest does not help is bad."""

HALF_OUTPUT = """loss_scaling: the output of the network is float16, so that small \
gradients are lost before they can be scaled. Cast it: output.astype(jnp.float32), as \
tnt.network.mixed_precision(network, jnp.float16) does."""


@explain_arguments
def loss_scaling(
    initial: float = 2.0**15, factor: float = 2.0, interval: int = 2000
) -> Hooks:
    """Scales the gradient so that it fits into float16, as much as it bears.

    For a network that computes in float16 with parameters and output in float32, such
    as one of `tnt.network.mixed_precision`. The gradient with respect to the output is
    multiplied, the gradients of the parameters are divided by the same, in float32. If
    one is not finite, the step is skipped and the scale lowered; after some good steps
    it is raised. Parameters of a criterion get their gradients from before.

    Chain it before what reads or changes gradients: clipping, `nan_guard`. What it
    knows is `state.aux["loss_scaling"]`: `scale`, and how many steps were `good` since
    it was changed. If a gradient is not finite with the smallest scale, 2**-14, the
    step is not skipped; `nan_guard` then finds it.

    Args:
      initial: the first scale, 2**-14 <= initial <= 2**24.
      factor: what the scale is multiplied or divided by, above 1.
      interval: after how many good steps in a row it is raised.

    Returns:
      A Hooks value, to be chained with others.

    Raises:
      TypeError: if an argument is of the wrong kind; when it runs, if the output is
        float16.
      ValueError: if a number is out of range, or, when it runs, if there are two.

    Example:
      >>> import tntjax as tnt
      >>> hooks = tnt.hooks.loss_scaling(initial=8.0)
      >>> state = hooks.on_start(tnt.State(grads={"weight": jnp.array([16.0, 8.0])}))
      >>> hooks.on_backward(state).grads["weight"].tolist()
      [2.0, 1.0]
    """
    initial = check_number("loss_scaling: initial", initial)
    factor = check_number("loss_scaling: factor", factor)
    if not SMALLEST <= initial <= LARGEST:
        raise ValueError(
            f"loss_scaling needs 2**-14 <= initial <= 2**24, got {initial}."
        )
    if not 1 < factor < math.inf:
        raise ValueError(f"loss_scaling needs a finite factor > 1, got {factor}.")
    interval = check_at_least("loss_scaling: interval", interval, 1)
    return Hooks(
        on_start=bind(_start, initial),
        on_backward_criterion=bind(_scale),
        on_backward=bind(_unscale, factor, interval),
    )


def _start(state: State, initial: float) -> State:
    if not state.training:
        return state
    record = {"scale": np.float32(initial), "good": np.int32(0)}
    return claim(state, "aux", NAME, record)


def _scale(state: State) -> State:
    for leaf in jax.tree.leaves(state.grad_output):
        if leaf.dtype == jnp.float16:
            raise TypeError(HALF_OUTPUT)
    scale = state.aux[NAME]["scale"]
    # A criterion that asks for the parameters has begun their gradients.
    begun = _times(state.grads, scale)
    return state.replace(grad_output=_times(state.grad_output, scale), grads=begun)


def _unscale(state: State, factor: float, interval: int) -> State:
    scale, good = state.aux[NAME]["scale"], state.aux[NAME]["good"]
    leaves = jax.tree.leaves((state.grads, state.criterion_grads))
    finite = jnp.all(jnp.array([jnp.isfinite(leaf).all() for leaf in leaves], bool))
    state = state.replace(grads=_times(state.grads, 1 / scale))

    good = jnp.where(finite, good + 1, 0)
    change = jnp.where(good == interval, factor, 1.0)
    new = jnp.clip(scale * jnp.where(finite, change, 1 / factor), SMALLEST, LARGEST)
    state = put(state, "aux", NAME, {"scale": new, "good": good % interval})
    return skip_if(state, ~finite & (scale > SMALLEST))


def _times(tree: Any, number: jax.Array) -> Any:
    """Multiplies leaves by a float32 number, in float32; their dtypes stay."""
    return jax.tree.map(lambda leaf: (leaf * number).astype(leaf.dtype), tree)
