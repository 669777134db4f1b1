"""Many steps in one call: compiled, or one by one."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from tntjax._struct import pytree
from tntjax._types import Chunk
from tntjax.engine._lengths import Lengths
from tntjax.engine._plan import Steps
from tntjax.engine._primitives import has_primitive
from tntjax.engine._program import Program, is_same
from tntjax.engine._state import Carry, split_state
from tntjax.engine._traces import describe_trace

PROGRAMS = 16
"""Programs that stay compiled; one that was not used for long is let go."""

STRUCTURES = 8
"""Structures of samples and of the State for which one program stays compiled."""

UNROLLED, LEAVES = 8, 128
"""Most steps in a turn of a loop on an accelerator, and most leaves of parameters and
of the optimizer in it, as what is compiled grows with them."""

Kept = Any
"""Light parts kept on the way: a list, or dicts whose leaves have an axis more."""


@pytree
class Batches:
    """The samples of one call.

    Args:
      chunk: the samples, perhaps with padding behind.
      count: [] int32, how many of them are not padding; None for all.
    """

    chunk: Chunk
    count: Any = None

    @property
    def xs(self) -> Any:
        """Returns what a sample is read from: leaves [K, ...]."""
        return self.chunk.xs

    def part(self, number: int) -> "Batches":
        """Returns the batches that hold one of the samples alone."""
        return Batches(self.chunk.part(number))


@functools.lru_cache(maxsize=PROGRAMS)
def find_calls(program: Program, jit: bool) -> "Calls":
    """Returns the calls of a program, the same ones for the same functions."""
    return Calls(program, jit)


@dataclasses.dataclass
class _Jitted:
    """A compiled function for one structure of what it is given."""

    structure: Any  # trees of the heavy part and of the rest, and keep_every
    function: Any
    light: Any  # tree of the light part that comes back
    kept: Any  # tree of what is kept, without the key
    convolves: bool | None = None  # None until it was looked for


class Calls:
    """Makes the steps of a program, many in one compiled call.

    What is compiled closes over the program and is given arrays alone: JAX would hold
    any other argument for ever and ask for its hash. So with the program all is let go.

    XLA takes many times as long for a convolution in a loop as for one outside on a
    CPU. So there, if nobody has chosen a number of steps, a step that has one is a call
    of its own.

    Args:
      program: the functions.
      jit: compile, or run step by step in Python.
    """

    def __init__(self, program: Program, jit: bool) -> None:
        self.program, self._jit = program, jit
        self._traces: list[dict[str, str]] = []  # not taken yet
        self._jitted: list[_Jitted] = []
        self.lengths = Lengths()
        self.on_trace: Callable[[], Any] | None = None
        """Called when a call begins to be traced."""

    def __call__(
        self, carry: Carry, batches: Batches, steps: Steps
    ) -> tuple[Carry, Kept]:
        """Makes the steps of a call.

        Args:
          carry: what is carried; its heavy part is donated, if the steps are updates.
          batches: the samples.
          steps: how many.

        Returns:
          What is carried after them, and what was kept.
        """
        if not self._jit:
            return _one_by_one(self._step_in_python, carry, batches, steps)
        # Lists of arrays: a structure may hold modules, which JAX would keep.
        heavy, heavy_tree = jax.tree.flatten(carry.heavy)
        rest, rest_tree = jax.tree.flatten((carry.light, batches))
        structure = heavy_tree, rest_tree, steps.keep_every
        jitted = self._find(structure, carry)
        if steps.apart and steps.length > 1:
            if jitted.convolves is None:  # the trace is kept for the call that follows
                jitted.convolves = _is_on_cpu(carry) and has_primitive(
                    jitted.function.trace(heavy, rest).jaxpr, "conv_general_dilated"
                )
            if jitted.convolves:
                return _one_by_one(self._step_apart, carry, batches, steps)
        after, light, kept = jitted.function(heavy, rest)  # returns at once
        heavy = heavy_tree.unflatten(after) if self.program.training else carry.heavy
        kept = None if kept is None else jitted.kept.unflatten(kept)
        return Carry(heavy, jitted.light.unflatten(light)), kept

    @property
    def donates(self) -> bool:
        """True if calls destroy the heavy part that they are given."""
        return self._jit and self.program.training

    def take_traces(self) -> list[dict[str, str]]:
        """Returns descriptions of the traces since this was asked for last."""
        traces, self._traces = self._traces, []
        return traces

    def _find(self, structure: tuple, carry: Carry) -> _Jitted:
        """Finds what was compiled for a structure, by equality: not all have a hash."""
        for jitted in self._jitted:
            if is_same(jitted.structure, structure):
                # Last used, last let go. A new list, as other threads may be in here.
                others = [other for other in self._jitted if other is not jitted]
                self._jitted = [*others, jitted]
                return jitted
        light = carry.light
        # A step leaves the light part as it was, so its structure is known beforehand.
        trees = jax.tree.structure(light), jax.tree.structure(_drop_key(light))
        donated = (0,) if self.program.training else ()  # heavy; a test keeps it
        call = self._describe_function(structure, _choose_unroll(carry))
        function = jax.jit(call, donate_argnums=donated)
        self._jitted = [
            *self._jitted[1 - STRUCTURES :],  # without the one used longest ago
            _Jitted(structure, function, *trees),
        ]
        return self._jitted[-1]

    def _describe_function(self, structure: tuple, unroll: int) -> Callable[..., Any]:
        """Returns the function of leaves that is compiled for one structure."""
        heavy_tree, rest_tree, keep_every = structure

        def call(heavy: list[Any], rest: list[Any]) -> tuple[Any, Any, Any]:
            light, batches = rest_tree.unflatten(rest)
            start = Carry(heavy_tree.unflatten(heavy), light)
            self._note(start, batches)
            step, leaves, tree = self._make_step(batches, start)
            length, count, kept = len(batches.chunk), batches.count, None
            whole = 0 if keep_every is None else length - length % keep_every
            if whole:
                # Of the light part [whole / keep_every, ...] is kept, for watches.
                some = functools.partial(_make_some, step, count, unroll, tree)
                places = jnp.arange(whole).reshape(-1, keep_every)  # [groups, n]
                leaves, kept = jax.lax.scan(some, leaves, places)
            if length == 1:  # no loop, in which XLA does worse on a CPU
                leaves = step(0, leaves)
            elif whole < length and count is None:
                # A number of steps that is known when compiling makes the better loop,
                # above all on a GPU. One that is not serves all lengths.
                turn = min(unroll, length - whole)
                leaves = jax.lax.fori_loop(whole, length, step, leaves, unroll=turn)
            elif whole < length:
                # From 0: with groups a counted length is `whole`, see Plan.steps.
                leaves = jax.lax.fori_loop(0, count, step, leaves)
            after = tree.unflatten(leaves)
            if self.program.placement is not None:
                # Where things were before, or the next call would compile anew.
                after, kept = self.program.placement.constrain(after, kept)
            return *map(jax.tree.leaves, after), kept  # lists: heavy, light

        return call

    def _make_step(
        self, batches: Batches, start: Carry
    ) -> tuple[Callable, list[Any], Any]:
        """Returns the step over numbered samples, the leaves it carries, their tree."""
        program, single = self.program, len(batches.chunk) == 1
        make_step = program.make_step
        # A test does not carry parameters from step to step.
        fixed = {} if program.training else start.heavy
        leaves, tree = jax.tree.flatten(_drop_fixed(fixed, start))

        def step(number: Any, leaves: list[Any]) -> list[Any]:
            def row(leaf: Any) -> Any:  # [K, ...] -> [...]
                if single:  # no gather
                    return leaf[0]
                return jax.lax.dynamic_index_in_dim(leaf, number, keepdims=False)

            heavy, light = tree.unflatten(leaves)
            state = program.state({**fixed, **heavy}, light)
            sample = batches.chunk.read(jax.tree.map(row, batches.xs))
            after = split_state(make_step(program, state, sample))
            return jax.tree.leaves(_drop_fixed(fixed, after))

        return step, leaves, tree

    def _step_in_python(self, carry: Carry, batches: Batches) -> Carry:
        """Makes one step in Python, where `print` and `pdb` work."""
        program = self.program
        # [1, ...] -> [...]
        x = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batches.xs)
        state, sample = program.state(*carry), batches.chunk.read(x)
        after = program.make_step(program, state, sample)
        heavy, light = split_state(after)
        return Carry(heavy if program.training else carry.heavy, light)

    def _step_apart(self, carry: Carry, batches: Batches) -> Carry:
        """Makes one step in a compiled call of its own."""
        return self(carry, batches, Steps(1, 1))[0]  # length 1: is not split again

    def _note(self, carry: Carry, batches: Batches) -> None:
        """Takes note of a trace; under jax.disable_jit it is not one."""
        if isinstance(carry.light["t"], Tracer):
            if (tell := self.on_trace) is not None:  # progress() says that it compiles
                tell()
            state = self.program.state(*carry)
            self._traces.append(describe_trace(self.program, state, batches))


def _one_by_one(
    step: Callable[[Carry, Batches], Carry],
    carry: Carry,
    batches: Batches,
    steps: Steps,
) -> tuple[Carry, Kept]:
    kept = []
    for number in range(steps.count):
        carry = step(carry, batches.part(number))
        if steps.keep_every and (number + 1) % steps.keep_every == 0:
            kept.append(_drop_key(carry.light))  # calls that keep start at a multiple
    return carry, kept


def _make_some(
    step: Callable, count: Any, unroll: int, tree: Any, leaves: list[Any], places: Any
) -> tuple[list[Any], list[Any]]:
    """Makes some of the steps of a call, and keeps the light part after them."""
    start, number = places[0], len(places)  # [] traced, and an int

    def next_step(place: Any, leaves: list[Any]) -> list[Any]:
        return step(start + place, leaves)

    if count is None:
        turn = min(unroll, number)
        leaves = jax.lax.fori_loop(0, number, next_step, leaves, unroll=turn)
    else:
        stop = jnp.clip(count - start, 0, number)  # 0 where all that is left is padding
        leaves = jax.lax.fori_loop(0, stop, next_step, leaves)
    return leaves, jax.tree.leaves(_drop_key(tree.unflatten(leaves).light))


def _is_on_cpu(carry: Carry) -> bool:
    return all(device.platform == "cpu" for device in carry.light["t"].devices())


def _choose_unroll(carry: Carry) -> int:
    """Returns how many steps a loop makes in a turn.

    On an accelerator a small step costs the launch of its kernels, and XLA fuses those
    of several steps. A CPU gains nothing.
    """
    leaves = len(jax.tree.leaves(carry.heavy))
    return 1 if _is_on_cpu(carry) else max(1, min(UNROLLED, LEAVES // max(1, leaves)))


def _drop_fixed(fixed: dict[str, Any], carry: Carry) -> Carry:
    return Carry({}, carry.light) if fixed else carry


def _drop_key(light: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what a watch does not see."""
    return {name: part for name, part in light.items() if name != "key"}
