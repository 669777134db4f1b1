"""The gradients of a batch, whole or piece by piece, with the hooks on the way."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._struct import is_unchanged
from tntjax._types import Sample
from tntjax.engine._criterion import (
    add_weighted,
    explain_call,
    run_criterion,
    weigh_losses,
)
from tntjax.engine._fire import fire_compiled
from tntjax.engine._hooks import Hooks
from tntjax.engine._match import check_carried
from tntjax.engine._rows import (
    check_mask,
    cut_rows,
    read_field,
)
from tntjax.engine._state import State, drop_step_fields
from tntjax.network import Stateful, forward

SKIPPED_PIECE = """state.skip was set in an event that fires for each piece of a \
batch. Set it in on_backward, which fires once."""


class Objective(NamedTuple):
    """The function that is minimised: its value, and the value at other parameters.

    Args:
      value: [] the mean loss of the batch.
      at: `(params, criterion_params) -> []`, the same batch, randomness and model
        state; of the hooks those of on_forward run, if they change the output. A
        third argument is another piece of the batch, with the randomness of this one.
    """

    value: jax.Array
    at: Callable[..., jax.Array]


def differentiate_batch(
    program: Any, state: State, whole: Sample
) -> tuple[State, Objective]:
    """Computes the gradients of a sample, through Torchnet's phases.

    The sample may be a piece of the batch `whole`; then gradients and value are parts
    of the batch's.
    """
    hooks = program.hooks
    # Two pull-backs and not one, as a hook may change the gradient between them.
    changing, pull_network, after = _run_forward(program, state)
    at = _make_value(program, changing, state, whole)

    (measure, asked), output = run_criterion(program.criterion, after), after.output
    check_mask(state.sample, after.sample)
    loss, pull_criterion = jax.vjp(measure, after.criterion_params, output, asked)
    # Pulled back, the weights give the gradient of the mean.
    weight = weigh_losses(loss, after.sample.get("mask"), state.sample, whole)
    state = fire_compiled(hooks, "on_forward_criterion", after.replace(loss=loss))

    criterion_grads, grad_output, direct = pull_criterion(
        jnp.broadcast_to(weight, loss.shape).astype(loss.dtype)  # [] or [B]
    )
    state = state.replace(
        grad_output=jax.tree.map(_replace_float0, grad_output),
        criterion_grads=jax.tree.map(conjugate, criterion_grads),
        grads=jax.tree.map(conjugate, direct.get("params")),  # None if not asked
    )
    state = fire_compiled(hooks, "on_backward_criterion", state)
    # [B, ...] of the output -> the shapes of the parameters
    (grads,) = pull_network(jax.tree.map(_as_cotangent, state.grad_output, output))
    grads = jax.tree.map(conjugate, grads)
    if asked:  # what the loss takes from the parameters themselves
        grads = jax.tree.map(jnp.add, grads, state.grads)
    state = state.replace(grads=grads)
    return state, Objective(add_weighted(loss, weight), at)


def conjugate(grad: Any) -> Any:
    """Conjugates a complex gradient, since optimizers go against its direction."""
    return jnp.conj(grad) if jnp.iscomplexobj(grad) else grad


def _run_forward(
    program: Any, state: State
) -> tuple[Hooks, Callable[[Any], Any], State]:
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

    # First without hooks. To pull back again costs a trace, and nothing when it runs,
    # as XLA drops what is not used.
    none, pull, after = pull_back(Hooks())
    look = functools.partial(fire_compiled, program.hooks, "on_forward", after)
    # Traced, hooks are tried apart, or what they call back would be called twice.
    if not (_is_traced(state) and _changes_output(look, after.output)):
        seen = look()
        if is_unchanged(after.output, seen.output):
            return none, pull, seen
    return pull_back(program.hooks)


def _forward(
    program: Any, hooks: Hooks, state: State, params: Any
) -> tuple[Any, State]:
    """Returns the output of the network after hooks of on_forward, and the State."""
    # In `at` the State still has the key of the first evaluation, so it draws the same.
    keyed, key = split_key(program.network, state)
    run = run_network(program.network, state, key, training=True)
    output, model_state = run(params)
    # Hooks see these params, and what they take from them is differentiated.
    after = keyed.replace(params=params, output=output, model_state=model_state)
    after = check_carried("the network", "model_state", state, after)
    after = fire_compiled(hooks, "on_forward", after)
    return after.output, after


def _changes_output(look: Callable[[], State], output: Any) -> bool:
    """True if hooks that are traced, and never run, put in another output."""
    same: list[bool] = []
    jax.eval_shape(lambda: same.append(is_unchanged(output, look().output)))
    return not same[0]


def _make_value(
    program: Any, hooks: Hooks, state: State, whole: Sample
) -> Callable[..., jax.Array]:
    """Returns the function `at` of an `Objective`."""

    def at(params: Any, criterion_params: Any, piece: Sample = None) -> jax.Array:
        start = state if piece is None else state.replace(sample=piece)
        output, after = _forward(program, hooks, start, params)
        measure, asked = run_criterion(program.criterion, after.replace(params=params))
        loss = measure(criterion_params, output, asked)
        mask = after.sample.get("mask")
        return add_weighted(loss, weigh_losses(loss, mask, start.sample, whole))

    return at


def _replace_float0(grad: Any) -> Any:
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


def differentiate_pieces(program: Any, state: State) -> tuple[State, Objective]:
    """Computes the gradients of `program.accumulate` pieces, one after the other.

    The pieces are of equal length, but for the last if the batch cannot be divided so.
    What they are weighted by makes the sum of their gradients that of the batch.

    Raises:
      TypeError: if a hook sets `skip` for a piece.
    """
    whole, skip = state.sample, state.skip  # as on_sample left them
    # [P, size, ...], [rest, ...]
    pieces, last = cut_rows(whole, program.accumulate)

    def parts(state: State, piece: Sample) -> tuple[State, Any, Objective]:
        start = state.replace(sample=piece, skip=None)
        state, objective = differentiate_batch(program, start, whole)
        if state.skip is not None:
            raise TypeError(SKIPPED_PIECE)
        # Each is a part of the batch's already, so that adding them is all.
        sums = (objective.value, state.grads, state.criterion_grads)
        # A scan carries one form, and fields of a step have the rows of the piece.
        return drop_step_fields(state), (sums, state.loss), objective

    def add(carry: tuple[State, Any], piece: Sample) -> tuple[tuple[State, Any], Any]:
        state, (sums, loss), _ = parts(carry[0], piece)
        return (state, jax.tree.map(jnp.add, carry[1], sums)), loss

    # The last comes first, so that the others can be added to what it gives.
    state, (sums, loss), objective = parts(state, last)
    if pieces is not None:
        (state, sums), losses = _scan(add, (state, sums), pieces)
        # [P, size], [rest] -> [B]; of losses [] each is a share of the mean.
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
    """Scans inside compiled code, loops outside, where `print` and `pdb` work."""
    if _is_traced((carry, xs)):
        return jax.lax.scan(step, carry, xs)
    ys = []  # of each turn, stacked at the end as a scan does
    for k in range(len(jax.tree.leaves(xs)[0])):  # of leaves [P, ...]
        carry, y = step(carry, jax.tree.map(lambda leaf: leaf[k], xs))  # noqa: B023
        ys.append(y)
    return carry, jax.tree.map(lambda *leaves: jnp.stack(leaves), *ys)


def _is_traced(tree: Any) -> bool:
    """True if code is being traced."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def split_key(network: Any, state: State) -> tuple[State, jax.Array | None]:
    """Splits the key of the State if the network may need one."""
    if not isinstance(network, Stateful):
        return state, None
    key, own = jax.random.split(state.key)  # one to go on with, one for this step
    return state.replace(key=key), own


def run_network(
    network: Any, state: State, key: Any, training: bool
) -> Callable[[Any], tuple[Any, Any]]:
    """Returns `params -> (output, model_state)` on the sample of the State."""
    input, model_state = read_field(state.sample, "input"), state.model_state

    def run(params: Any) -> tuple[Any, Any]:
        with explain_call("network(params, input)", params=params, input=input):
            return forward(network, params, model_state, input, key, training)

    return run
