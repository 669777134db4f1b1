"""Many steps in one call: compiled, or one by one in Python."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._types import Chunk, Sample
from tntjax.engine._state import State, split
from tntjax.engine._step import Program, test_step, train_step
from tntjax.engine._traces import note_trace

Result = tuple[dict[str, Any], State, Any]
"""`(heavy, light, kept)`: both parts of the State after a call, and light parts kept on
the way: a list, or one whose leaves have a first axis more; None if there are none."""


@functools.partial(
    jax.jit, static_argnames=("program", "keep_every"), donate_argnames=("heavy",)
)
def train_chunk(
    program: Program,
    heavy: dict[str, Any],
    light: State,
    chunk: Chunk,
    count: Any,
    keep_every: int | None = None,
) -> Result:
    """Makes one update a sample of the chunk, in one compiled call.

    `heavy`, the big part of the State, is donated. The light part is not, so what a
    `watch` looks at later stays valid at no cost.

    Args:
      program: the functions; a call with the same ones compiles nothing.
      heavy: `params`, `opt_state` and what else is large.
      light: the State without these.
      chunk: the samples.
      count: [] int32, how many of them to use, or None for all.
      keep_every: after how many updates to keep the light part, None for never; it
        divides the length of the chunk.

    Returns:
      Both parts after the last update, and what was kept.
    """
    note_trace(program, heavy, light, chunk, count)
    step = functools.partial(train_step, program)
    state, kept = _steps(step, light.replace(**heavy), chunk, count, keep_every)
    return _settled(program, *split(state), kept)


@functools.partial(jax.jit, static_argnames=("program", "keep_every"))
def test_chunk(
    program: Program,
    heavy: dict[str, Any],
    light: State,
    chunk: Chunk,
    count: Any,
    keep_every: int | None = None,
) -> Result:
    """Measures the samples of a chunk in one compiled call.

    The parameters go in and are not given back, since a test leaves them alone.

    Args:
      program: the functions; a call with the same ones compiles nothing.
      heavy: `params`, `model_state` and what else is large.
      light: the State without these.
      chunk: the samples.
      count: [] int32, how many of them to use, or None for all.
      keep_every: after how many samples to keep the light part.

    Returns:
      An empty dict, the light part after the last sample, and what was kept.
    """
    note_trace(program, heavy, light, chunk, count)

    def step(state: State, sample: Sample) -> State:
        return split(test_step(program, state.replace(**heavy), sample))[1]

    return _settled(program, {}, *_steps(step, light, chunk, count, keep_every))


def _settled(
    program: Program, heavy: dict[str, Any], light: State, kept: Any
) -> Result:
    """All parts, on a mesh where they were before, so that nothing compiles anew."""
    if program.placement is None:
        return heavy, light, kept
    heavy, (light, kept) = program.placement.constrain(heavy, (light, kept))
    return heavy, light, kept


def _kept(state: State) -> State:
    return split(state)[1].replace(key=None)


def _steps(
    step: Callable[[State, Sample], State],
    state: State,
    chunk: Chunk,
    count: Any,
    keep_every: int | None,
) -> tuple[State, Any]:
    """Steps through a chunk; through its first `count` samples if that is given.

    A number of steps that is known when compiling makes the better loop, above all on
    a GPU. One that is not serves all lengths with a single executable.
    """
    if len(chunk) == 1:  # no loop, in which XLA does worse on a CPU
        x = jax.tree.map(lambda leaf: leaf[0], chunk.xs)
        return step(state, chunk.read(x)), None

    def indexed(k: Any, state: State) -> State:
        row = functools.partial(jax.lax.dynamic_index_in_dim, index=k, keepdims=False)
        return step(state, chunk.read(jax.tree.map(row, chunk.xs)))

    def some(state: State, start: Any) -> tuple[State, State]:
        stop = start + keep_every
        stop = stop if count is None else jnp.clip(count, start, stop)
        state = jax.lax.fori_loop(start, stop, indexed, state)
        return state, _kept(state)

    if keep_every is not None:
        return jax.lax.scan(some, state, jnp.arange(0, len(chunk), keep_every))
    stop = len(chunk) if count is None else count
    return jax.lax.fori_loop(0, stop, indexed, state), None


def _eagerly(
    step: Callable[[Program, State, Sample], State],
    program: Program,
    heavy: dict[str, Any],
    light: State,
    chunk: Chunk,
    count: Any,
    keep_every: int | None = None,
) -> Result:
    """Makes the same steps one by one in Python, where `print` and `pdb` work."""
    state, kept = light.replace(**heavy), []
    for k in range(len(chunk) if count is None else int(count)):
        x = jax.tree.map(lambda leaf: jnp.asarray(leaf[k]), chunk.xs)  # noqa: B023
        state = step(program, state, chunk.read(x))
        if keep_every and (k + 1) % keep_every == 0:
            kept.append(_kept(state))
    return *split(state), kept


def _stepwise(
    compiled: Any,
    program: Program,
    heavy: dict[str, Any],
    light: State,
    chunk: Chunk,
    count: Any,
    keep_every: int | None,
) -> Result:
    """Makes the same steps one by one, each compiled."""
    after, kept = heavy, []
    for k in range(len(chunk) if count is None else int(count)):
        after, light, _ = compiled(program, heavy, light, chunk.part(k), None)
        heavy = after or heavy  # a test gives nothing back
        if keep_every and (k + 1) % keep_every == 0:
            kept.append(_kept(light))
    return after, light, kept


@functools.lru_cache(maxsize=32)  # JAX keeps a trace, and a long one takes a while
def _convolves(trace: Any) -> bool:
    return "conv_general_dilated" in str(trace)


@dataclasses.dataclass
class Compiled:
    """Calls a compiled function, for all steps of a chunk or for one after the other.

    XLA takes many times as long for a convolution in a loop as for one outside on a
    CPU. So there, if nobody has chosen a number of steps, a step that has one is a call
    of its own.

    Args:
      function: `train_chunk` or `test_chunk`.
      program: the functions.
      stepwise: whether steps are calls of their own; None to find out.
    """

    function: Any
    program: Program
    stepwise: bool | None

    def __call__(
        self,
        heavy: dict[str, Any],
        light: State,
        chunk: Chunk,
        count: Any,
        keep_every: int | None = None,
    ) -> Result:
        """Returns both parts after the steps of a chunk, and what was kept."""
        arguments = self.program, heavy, light, chunk, count, keep_every
        if self.stepwise is None and len(chunk) > 1:
            on_cpu = all(d.platform == "cpu" for d in light.t.devices())
            # Its trace is kept for the call that follows.
            self.stepwise = on_cpu and _convolves(self.function.trace(*arguments).jaxpr)
        if self.stepwise and len(chunk) > 1:
            return _stepwise(self.function, *arguments)
        return self.function(*arguments)


def make_call(
    program: Program, training: bool, jit: bool, stepwise: bool | None
) -> Callable[..., Any]:
    """Returns `(heavy, light, chunk, count, keep_every) -> (heavy, light, kept)`.

    Args:
      program: the functions.
      training: whether to make updates or to measure.
      jit: compile, or run step by step in Python.
      stepwise: see `Compiled`.
    """
    if jit:
        return Compiled(train_chunk if training else test_chunk, program, stepwise)
    return functools.partial(_eagerly, train_step if training else test_step, program)
