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


@functools.partial(jax.jit, static_argnames=("program",), donate_argnames=("heavy",))
def train_chunk(
    program: Program, heavy: dict[str, Any], light: State, chunk: Chunk, count: Any
) -> tuple[dict[str, Any], State]:
    """Makes one update a sample of the chunk, in one compiled call.

    `heavy`, the big part of the State, is donated. The light part is not, so what a
    `watch` looks at later stays valid at no cost.

    Args:
      program: the functions; a call with the same ones compiles nothing.
      heavy: `params`, `opt_state` and what else is large.
      light: the State without these.
      chunk: the samples.
      count: [] int32, how many of them to use, or None for all.

    Returns:
      Both parts after the last update.
    """
    note_trace(program, heavy, light, chunk, count)
    step = functools.partial(train_step, program)
    return _settled(program, *split(_steps(step, light.replace(**heavy), chunk, count)))


@functools.partial(jax.jit, static_argnames=("program",))
def test_chunk(
    program: Program, heavy: dict[str, Any], light: State, chunk: Chunk, count: Any
) -> tuple[dict[str, Any], State]:
    """Measures the samples of a chunk in one compiled call.

    The parameters go in and are not given back, since a test leaves them alone.

    Args:
      program: the functions; a call with the same ones compiles nothing.
      heavy: `params`, `model_state` and what else is large.
      light: the State without these.
      chunk: the samples.
      count: [] int32, how many of them to use, or None for all.

    Returns:
      An empty dict and the light part after the last sample.
    """
    note_trace(program, heavy, light, chunk, count)

    def step(state: State, sample: Sample) -> State:
        return split(test_step(program, state.replace(**heavy), sample))[1]

    return _settled(program, {}, _steps(step, light, chunk, count))


def _settled(
    program: Program, heavy: dict[str, Any], light: State
) -> tuple[dict[str, Any], State]:
    """Both parts, on a mesh where they were before, so that nothing compiles anew."""
    if program.placement is None:
        return heavy, light
    return program.placement.constrain(heavy, light)


def _steps(
    step: Callable[[State, Sample], State], state: State, chunk: Chunk, count: Any
) -> State:
    """Steps through a chunk; through its first `count` samples if that is given.

    A number of steps that is known when compiling makes the better loop, above all on
    a GPU. One that is not serves all lengths with a single executable.
    """
    if len(chunk) == 1:  # no loop, in which XLA does worse on a CPU
        return step(state, chunk.read(jax.tree.map(lambda leaf: leaf[0], chunk.xs)))
    if count is None:
        body = lambda state, x: (step(state, chunk.read(x)), None)  # noqa: E731
        return jax.lax.scan(body, state, chunk.xs)[0]

    def indexed(k: Any, state: State) -> State:
        row = functools.partial(jax.lax.dynamic_index_in_dim, index=k, keepdims=False)
        return step(state, chunk.read(jax.tree.map(row, chunk.xs)))

    return jax.lax.fori_loop(0, count, indexed, state)


def _eagerly(
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


def _stepwise(
    compiled: Any,
    program: Program,
    heavy: dict[str, Any],
    light: State,
    chunk: Chunk,
    count: Any,
) -> tuple[dict[str, Any], State]:
    """Makes the same steps one by one, each compiled."""
    after = heavy
    for k in range(len(chunk) if count is None else int(count)):
        after, light = compiled(program, heavy, light, chunk.part(k), None)
        heavy = after or heavy  # a test gives nothing back
    return after, light


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
        self, heavy: dict[str, Any], light: State, chunk: Chunk, count: Any
    ) -> tuple[dict[str, Any], State]:
        """Returns both parts after the steps of a chunk."""
        arguments = self.program, heavy, light, chunk, count
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
    """Returns `(heavy, light, chunk, count) -> (heavy, light)`.

    Args:
      program: the functions.
      training: whether to make updates or to measure.
      jit: compile, or run step by step in Python.
      stepwise: see `Compiled`.
    """
    if jit:
        return Compiled(train_chunk if training else test_chunk, program, stepwise)
    return functools.partial(_eagerly, train_step if training else test_step, program)
