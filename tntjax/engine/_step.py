"""One step: Torchnet's phases with a hook after each, pure, traced, and scanned."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe
from tntjax._types import Chunk, Network, Sample
from tntjax.engine._fire import fire
from tntjax.engine._hooks import HOST_EVENTS, Hooks
from tntjax.engine._state import HEAVY, STEP_ONLY, State


@dataclasses.dataclass(frozen=True)
class Program:
    """What a step is made of. The compiled step is cached on the functions in it.

    Args:
      network: `(params, input) -> output`.
      criterion: `(output, target) -> loss`, or None in a test without one.
      update: `State -> State`, from `grads` to new `params` and `opt_state`; None in
        a test.
      hooks: the hooks of the step's events; those of the host are left out.
    """

    network: Network
    criterion: Any
    update: Any
    hooks: Hooks


def step_hooks(hooks: Hooks) -> Hooks:
    """Returns the compiled part of the hooks, so that the rest compiles nothing."""
    return dataclasses.replace(hooks, **dict.fromkeys(HOST_EVENTS), scheduled=())


def train_step(program: Program, state: State, sample: Sample) -> State:
    """Makes one update.

    Args:
      program: the functions.
      state: the State before.
      sample: a batch with the fields `input` and `target`, and perhaps `mask`.

    Returns:
      The State after, without the fields that exist inside a step only.
    """
    hooks = program.hooks
    state = fire(hooks, "on_sample", state.replace(sample=sample))

    with _explained("network", state.params, field(state, "input")):
        output, pull_network = jax.vjp(
            lambda params: program.network(params, field(state, "input")), state.params
        )
    state = fire(hooks, "on_forward", state.replace(output=output))

    target = field(state, "target")
    with _explained("criterion", state.output, target):
        loss, pull_criterion = jax.vjp(
            lambda output: program.criterion(output, target), state.output
        )
    weight = loss_weight(loss, state.sample)
    state = fire(hooks, "on_forward_criterion", state.replace(loss=loss))

    (grad_output,) = pull_criterion(weight)
    state = state.replace(grad_output=grad_output)
    state = fire(hooks, "on_backward_criterion", state)

    cotangent = jax.tree.map(_cast_like, state.grad_output, output)
    (grads,) = pull_network(cotangent)
    state = fire(hooks, "on_backward", state.replace(grads=grads))

    state = program.update(state)
    state = state.replace(t=state.t + 1, samples=state.samples + count(state.sample))
    return without_step_fields(fire(hooks, "on_update", state))


def test_step(program: Program, state: State, sample: Sample) -> State:
    """Measures one batch.

    Args:
      program: the functions; the criterion may be None.
      state: the State before.
      sample: a batch with the field `input`, and `target` if there is a criterion.

    Returns:
      The State after, without the fields that exist inside a step only.
    """
    hooks = program.hooks
    state = fire(hooks, "on_sample", state.replace(sample=sample))
    with _explained("network", state.params, field(state, "input")):
        output = program.network(state.params, field(state, "input"))
    state = state.replace(output=output, t=state.t + 1)
    state = state.replace(samples=state.samples + count(state.sample))
    state = fire(hooks, "on_forward", state)
    if program.criterion is not None:
        target = field(state, "target")
        with _explained("criterion", state.output, target):
            loss = program.criterion(state.output, target)
        state = fire(hooks, "on_forward_criterion", state.replace(loss=loss))
    return without_step_fields(state)


@functools.partial(jax.jit, static_argnames=("program",), donate_argnames=("heavy",))
def train_chunk(
    program: Program, heavy: dict[str, Any], light: State, chunk: Chunk, count: Any
) -> tuple[dict[str, Any], State]:
    """Makes one update a sample of the chunk, in one compiled call.

    `heavy`, the big part of the State, is donated. The light part is not, so what a
    `watch` looks at later stays valid at no cost.

    Args:
      program: the functions; a call with the same ones compiles nothing.
      heavy: `params`, `opt_state` and `model_state`.
      light: the State without these.
      chunk: the samples.
      count: [] int32, how many of them to use, or None for all.

    Returns:
      Both parts after the last update.
    """
    step = functools.partial(train_step, program)
    return split(_steps(step, light.replace(**heavy), chunk, count))


@functools.partial(jax.jit, static_argnames=("program",))
def test_chunk(
    program: Program, heavy: dict[str, Any], light: State, chunk: Chunk, count: Any
) -> tuple[dict[str, Any], State]:
    """Measures the samples of a chunk in one compiled call.

    The parameters go in and are not given back, since a test leaves them alone.

    Args:
      program: the functions; a call with the same ones compiles nothing.
      heavy: `params` and `model_state`.
      light: the State without these.
      chunk: the samples.
      count: [] int32, how many of them to use, or None for all.

    Returns:
      An empty dict and the light part after the last sample.
    """

    def step(state: State, sample: Sample) -> State:
        return split(test_step(program, state.replace(**heavy), sample))[1]

    return {}, _steps(step, light, chunk, count)


def _steps(
    step: Callable[[State, Sample], State], state: State, chunk: Chunk, count: Any
) -> State:
    """Steps through a chunk; through its first `count` samples if that is given.

    A number of steps that is known when compiling makes the better loop, above all on
    a GPU. One that is not serves all lengths with a single executable.
    """
    if count is None:
        body = lambda state, x: (step(state, chunk.read(x)), None)  # noqa: E731
        return jax.lax.scan(body, state, chunk.xs)[0]

    def indexed(k: Any, state: State) -> State:
        row = functools.partial(jax.lax.dynamic_index_in_dim, index=k, keepdims=False)
        return step(state, chunk.read(jax.tree.map(row, chunk.xs)))

    return jax.lax.fori_loop(0, count, indexed, state)


def run_eagerly(
    step: Callable[[Program, State, Sample], State],
    program: Program,
    heavy: dict[str, Any],
    light: State,
    chunk: Chunk,
    count: Any,
) -> tuple[dict[str, Any], State]:
    """Makes the same steps one by one in Python, where `print` and `pdb` work."""
    state = light.replace(**heavy)
    for k in range(len(chunk) if count is None else int(count)):
        x = jax.tree.map(lambda leaf: jnp.asarray(leaf[k]), chunk.xs)  # noqa: B023
        state = step(program, state, chunk.read(x))
    return split(state)


def split(state: State) -> tuple[dict[str, Any], State]:
    """Parts a State into what is donated and what is not."""
    heavy = {name: getattr(state, name) for name in HEAVY}
    return heavy, state.replace(**dict.fromkeys(HEAVY))


def without_step_fields(state: State) -> State:
    """Forgets what exists inside a step only."""
    return state.replace(**dict.fromkeys(STEP_ONLY))


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


def loss_weight(loss: jax.Array, sample: Sample) -> jax.Array:
    """How much each entry of the loss weighs in what is minimised.

    Args:
      loss: [] or [B].
      sample: the batch; of its `mask` [B], if there is one, only True rows count.

    Returns:
      Weights of the loss's shape and dtype that sum to 1.

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
        return jnp.full(loss.shape, 1 / max(loss.size, 1), loss.dtype)
    if loss.shape != mask.shape:
        raise ValueError(
            f"The sample has a mask {describe(mask)}, so the criterion must return one"
            f" loss for each row, got {describe(loss)}. Leave out its mean."
        )
    return mask.astype(loss.dtype) / jnp.maximum(mask.sum(), 1).astype(loss.dtype)


def count(sample: Sample) -> Any:
    """How many examples a batch holds, those that a mask hides left out."""
    if isinstance(sample, dict) and "mask" in sample:
        return sample["mask"].sum(dtype=jnp.int32)
    shape = jnp.shape(jax.tree.leaves(sample)[0])
    return jnp.int32(shape[0] if shape else 1)


def _cast_like(cotangent: Any, output: Any) -> Any:
    # A hook may have changed the output's precision after the network.
    return cotangent.astype(output.dtype)


@contextmanager
def _explained(what: str, first: Any, second: Any) -> Iterator[None]:
    """Says in the user's terms where an error came from, and with which shapes."""
    names = ("params", "input") if what == "network" else ("output", "target")
    try:
        yield
    except Exception as error:
        error.add_note(
            f"This happened in {what}({', '.join(names)}) with"
            f" {names[0]} = {describe(first)} and {names[1]} = {describe(second)}."
        )
        raise
