"""The gradients of a batch, whole or piece by piece, with the hooks on the way."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._types import Sample
from tntjax.engine._fire import fire, settled_by
from tntjax.engine._hooks import Hooks
from tntjax.engine._phase import (
    run_criterion,
    run_network,
    weigh_losses,
    weighted_sum,
    with_own_key,
)
from tntjax.engine._rows import cut_rows
from tntjax.engine._state import State, without_step_fields

SKIPPED_PIECE = """state.skip was set in an event that fires for each piece of a \
batch. Set it in on_backward, which fires once."""


class Objective(NamedTuple):
    """What is minimised: its value, and the value at other parameters.

    Args:
      value: [] the mean loss of the batch.
      at: `(params, criterion_params) -> []`, the same batch, randomness and model
        state; of the hooks those of on_forward run, if they change the output. A
        third argument is another piece of the batch, with the randomness of this one.
    """

    value: jax.Array
    at: Callable[..., jax.Array]


def of_batch(program: Any, state: State, whole: Sample) -> tuple[State, Objective]:
    """Goes from the sample to its gradients, through Torchnet's phases.

    Args:
      program: the functions; see `Program`.
      state: the State with `sample`.
      whole: the batch that the sample is a piece of, or the sample itself.

    Returns:
      The State with `output`, `loss`, `grad_output`, `grads` and `criterion_grads`,
      and the objective. Pieces have parts of the whole's gradients and value.
    """
    hooks = program.hooks
    changing, pull_network, after = _pull_back(program, state)
    at = _value_at(program, changing, state, whole)

    measure, output = run_criterion(program.criterion, after), after.output
    loss, pull_criterion = jax.vjp(measure, after.criterion_params, output)
    weight = weigh_losses(loss, after.sample.get("mask"), state.sample, whole)
    state = fire(hooks, "on_forward_criterion", after.replace(loss=loss))

    criterion_grads, grad_output = pull_criterion(weight.astype(loss.dtype))
    state = state.replace(
        grad_output=jax.tree.map(_without_float0, grad_output),
        criterion_grads=jax.tree.map(uphill, criterion_grads),
    )
    state = fire(hooks, "on_backward_criterion", state)
    (grads,) = pull_network(jax.tree.map(_as_cotangent, state.grad_output, output))
    state = state.replace(grads=jax.tree.map(uphill, grads))
    return state, Objective(weighted_sum(loss, weight), at)


def uphill(grad: Any) -> Any:
    """Conjugates a complex gradient, since optimizers go against its direction.

    Args:
      grad: a leaf of what `jax.grad` returns.

    Returns:
      The leaf, in the direction in which the loss grows.
    """
    return jnp.conj(grad) if jnp.iscomplexobj(grad) else grad


def _pull_back(program: Any, state: State) -> tuple[Hooks, Callable[[Any], Any], State]:
    """Runs the network and the hooks of on_forward, and keeps what gradients need.

    What these hooks do to the output is differentiated. Most do nothing to it: they run
    outside of what is differentiated, where a hook may print values and call back.

    Returns:
      The hooks that are differentiated, the function from the gradient of the output
      to a tuple of that of the parameters, and the State.
    """

    def pull_back(hooks: Hooks) -> tuple[Hooks, Callable[[Any], Any], State]:
        forward = functools.partial(_forward, program, hooks, state)
        output, pull, after = jax.vjp(forward, state.params, has_aux=True)
        return hooks, pull, after.replace(output=output)

    none, pull, after = pull_back(Hooks())
    look = functools.partial(fire, program.hooks, "on_forward", after)
    if not _is_traced(state):
        seen = look()
        if seen.output is after.output:
            return none, pull, seen
    elif not _changes_output(look, after.output):
        return none, pull, look()
    return pull_back(program.hooks)


def _forward(
    program: Any, hooks: Hooks, state: State, params: Any
) -> tuple[Any, State]:
    """Returns the output of the network after hooks of on_forward, and the State."""
    keyed, key = with_own_key(program.network, state)
    run = run_network(program.network, state, key, training=True)
    output, model_state = run(params)
    after = keyed.replace(params=params, output=output, model_state=model_state)
    after = settled_by("the network", "model_state", state, after)
    after = fire(hooks, "on_forward", after)
    return after.output, after


def _changes_output(look: Callable[[], State], output: Any) -> bool:
    """True if hooks that are traced, and never run, put in another output."""
    changes = []
    jax.eval_shape(lambda: changes.append(look().output is not output))
    return changes[0]


def _value_at(
    program: Any, hooks: Hooks, state: State, whole: Sample
) -> Callable[..., jax.Array]:
    """Returns the function `at` of an `Objective`."""

    def at(params: Any, criterion_params: Any, piece: Sample = None) -> jax.Array:
        start = state if piece is None else state.replace(sample=piece)
        output, after = _forward(program, hooks, start, params)
        loss = run_criterion(program.criterion, after)(criterion_params, output)
        mask = after.sample.get("mask")
        return weighted_sum(loss, weigh_losses(loss, mask, start.sample, whole))

    return at


def _without_float0(grad: Any) -> Any:
    """Puts float zeros for the gradient of integers, which has a dtype of its own."""
    if jnp.result_type(grad) == jax.dtypes.float0:
        return jnp.zeros(jnp.shape(grad))
    return grad


def _as_cotangent(grad: Any, output: Any) -> Any:
    """Gives a gradient the dtype that the output asks for; a hook may have changed it.

    Of an integer output it is dropped.
    """
    dtype = jnp.result_type(output)
    if jnp.issubdtype(dtype, jnp.inexact):
        return jnp.asarray(grad, dtype)
    return np.zeros(jnp.shape(output), jax.dtypes.float0)


def of_pieces(program: Any, state: State) -> tuple[State, Objective]:
    """Does the same with `program.accumulate` pieces, one after the other.

    The pieces are of equal length, but for the last if the batch cannot be divided so.
    What they are weighted by makes the sum of their gradients that of the batch.

    Args:
      program: the functions; see `Program`.
      state: the State with `sample`.

    Returns:
      As `of_batch`; `output` and `grad_output` are None, as no single one is left.

    Raises:
      TypeError: if a hook sets `skip` for a piece.
    """
    whole, skip = state.sample, state.skip
    pieces, last = cut_rows(whole, program.accumulate)

    def parts(state: State, piece: Sample) -> tuple[State, Any, Objective]:
        start = state.replace(sample=piece, skip=None)
        state, objective = of_batch(program, start, whole)
        if state.skip is not None:
            raise TypeError(SKIPPED_PIECE)
        sums = (objective.value, state.grads, state.criterion_grads)
        return without_step_fields(state), (sums, state.loss), objective

    def add(carry: tuple[State, Any], piece: Sample) -> tuple[tuple[State, Any], Any]:
        state, (sums, loss), _ = parts(carry[0], piece)
        return (state, jax.tree.map(jnp.add, carry[1], sums)), loss

    # The last comes first, so that the others can be added to what it gives.
    state, (sums, loss), objective = parts(state, last)
    if pieces is not None:
        (state, sums), losses = _scan(add, (state, sums), pieces)
        loss = jnp.concatenate([losses.reshape(-1), loss]) if loss.ndim else sums[0]
    value, grads, criterion_grads = sums
    state = state.replace(sample=whole, skip=skip, loss=loss, grads=grads)
    state = state.replace(criterion_grads=criterion_grads)

    def at(params: Any, criterion_params: Any) -> jax.Array:
        def add(value: jax.Array, piece: Sample) -> tuple[jax.Array, None]:
            return value + objective.at(params, criterion_params, piece), None

        value = objective.at(params, criterion_params)
        return value if pieces is None else _scan(add, value, pieces)[0]

    return state, Objective(value, at)


def _scan(step: Callable[[Any, Any], Any], carry: Any, xs: Any) -> tuple[Any, Any]:
    """A scan inside compiled code, a loop outside, where `print` and `pdb` work."""
    if _is_traced((carry, xs)):
        return jax.lax.scan(step, carry, xs)
    ys = []
    for k in range(len(jax.tree.leaves(xs)[0])):
        carry, y = step(carry, jax.tree.map(lambda leaf: leaf[k], xs))  # noqa: B023
        ys.append(y)
    return carry, jax.tree.map(lambda *leaves: jnp.stack(leaves), *ys)


def _is_traced(tree: Any) -> bool:
    """True in compiled code."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))
