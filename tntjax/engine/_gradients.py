"""The gradients of a batch, whole or piece by piece, with the hooks on the way."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.core import Tracer

from tntjax._types import Sample
from tntjax.engine._fire import fire, settled_by
from tntjax.engine._phase import (
    loss_weight,
    rows,
    run_criterion,
    run_network,
    with_own_key,
)
from tntjax.engine._state import State, without_step_fields


class Objective(NamedTuple):
    """What is minimised: its value, and the value at other parameters.

    Args:
      value: [] the mean loss of the batch.
      value_fn: `params -> []`, the same batch, randomness and model state, without
        hooks. In pieces all share the randomness of the first.
    """

    value: jax.Array
    value_fn: Callable[[Any], jax.Array]


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
    keyed, key = with_own_key(program.network, state)
    run = run_network(program.network, state, key, training=True)
    output, pull_network, model_state = jax.vjp(run, state.params, has_aux=True)
    after = keyed.replace(output=output, model_state=model_state)
    state = settled_by("the network", "model_state", state, after)
    state = fire(hooks, "on_forward", state)

    measure = run_criterion(program.criterion, state)
    loss, pull_criterion = jax.vjp(measure, state.criterion_params, state.output)
    weight = loss_weight(loss, state.sample, whole)
    state = fire(hooks, "on_forward_criterion", state.replace(loss=loss))

    criterion_grads, grad_output = pull_criterion(weight)
    state = state.replace(grad_output=grad_output, criterion_grads=criterion_grads)
    state = fire(hooks, "on_backward_criterion", state)

    # A hook may have changed the output's precision after the network.
    (grads,) = pull_network(
        jax.tree.map(lambda g, o: g.astype(o.dtype), state.grad_output, output)
    )

    def value_fn(params: Any) -> jax.Array:
        again = measure(state.criterion_params, run(params)[0])
        return jnp.sum(again * weight)

    return state.replace(grads=grads), Objective(jnp.sum(loss * weight), value_fn)


def of_pieces(program: Any, state: State) -> tuple[State, Objective]:
    """Does the same with `program.accumulate` pieces, one after the other.

    The pieces are of equal length, but for the last if the batch cannot be divided so.
    What they are weighted by makes the sum of their gradients that of the batch.

    Args:
      program: the functions; see `Program`.
      state: the State with `sample`.

    Returns:
      As `of_batch`; `output` and `grad_output` are None, as no single one is left.
    """
    whole, start = state.sample, state
    pieces, last = _cut(whole, -(-rows(whole) // program.accumulate))

    def parts(state: State, piece: Sample) -> tuple[State, Any, jax.Array]:
        state, objective = of_batch(program, state.replace(sample=piece), whole)
        sums = (objective.value, state.grads, state.criterion_grads)
        return without_step_fields(state), sums, state.loss

    def add(carry: tuple[State, Any], piece: Sample) -> tuple[tuple[State, Any], Any]:
        state, sums, loss = parts(carry[0], piece)
        return (state, jax.tree.map(jnp.add, carry[1], sums)), loss

    # The last comes first, so that the others can be added to what it gives.
    state, sums, loss = parts(state, last)
    (state, sums), losses = _scan(add, (without_step_fields(state), sums), pieces)
    value, grads, criterion_grads = sums
    loss = jnp.concatenate([losses.reshape(-1), loss]) if loss.ndim else value
    state = state.replace(sample=whole, loss=loss, grads=grads)
    state = state.replace(criterion_grads=criterion_grads)
    return state, Objective(value, _value_of_pieces(program, start, pieces, last))


def _scan(step: Callable[[Any, Any], Any], carry: Any, xs: Any) -> tuple[Any, Any]:
    """A scan inside compiled code, a loop outside, where `print` and `pdb` work."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((carry, xs))):
        return jax.lax.scan(step, carry, xs)
    ys = []
    for k in range(len(jax.tree.leaves(xs)[0])):
        carry, y = step(carry, jax.tree.map(lambda leaf: leaf[k], xs))  # noqa: B023
        ys.append(y)
    return carry, jnp.stack(ys)


def _value_of_pieces(
    program: Any, state: State, pieces: Sample, last: Sample
) -> Callable[[Any], jax.Array]:
    whole = state.sample
    _, key = with_own_key(program.network, state)

    def value_fn(params: Any) -> jax.Array:
        def value(nothing: None, piece: Sample) -> tuple[None, jax.Array]:
            at = state.replace(sample=piece)
            output, _ = run_network(program.network, at, key, training=True)(params)
            loss = run_criterion(program.criterion, at)(at.criterion_params, output)
            return nothing, jnp.sum(loss * loss_weight(loss, piece, whole))

        return _scan(value, None, pieces)[1].sum() + value(None, last)[1]

    return value_fn


def _cut(whole: Sample, size: int) -> tuple[Sample, Sample]:
    """All pieces but the last, stacked, and the last, which may be shorter."""
    length = rows(whole)
    number = -(-length // size) - 1
    full = number * size

    def is_column(leaf: Any) -> bool:
        return leaf.ndim > 0 and len(leaf) == length

    def stacked(leaf: Any) -> Any:
        if is_column(leaf):
            return leaf[:full].reshape(number, size, *leaf.shape[1:])
        return jnp.broadcast_to(leaf, (number, *leaf.shape))

    last = jax.tree.map(lambda leaf: leaf[full:] if is_column(leaf) else leaf, whole)
    return jax.tree.map(stacked, whole), last
