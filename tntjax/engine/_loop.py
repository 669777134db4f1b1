"""The loop on the host: calls the compiled step and never waits for it."""

import functools
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._types import Chunk
from tntjax.engine._fire import as_carry, fire_on_host, run_on_host
from tntjax.engine._hooks import Hooks, Scheduled
from tntjax.engine._plan import Plan
from tntjax.engine._state import HEAVY, State
from tntjax.engine._step import (
    Program,
    run_eagerly,
    split,
    step_hooks,
    test_chunk,
    test_step,
    train_chunk,
    train_step,
)

AHEAD = 2  # chunks that may wait in the device's queue, so that memory stays bounded


def run_training(
    state: State,
    hooks: Hooks,
    update: Callable[[State], State],
    plan: Plan,
    jit: bool,
) -> State:
    """Trains until `max_epoch`, or until a hook sets `stop`.

    Args:
      state: the State at the start.
      hooks: all hooks.
      update: `State -> State`, applies `grads`.
      plan: how many steps a call makes.
      jit: compile, or run step by step in Python.

    Returns:
      The State after `on_end`.
    """
    state = fire_on_host(hooks, "on_start", state)
    while not state.stop and int(state.epoch) < _most_epochs(state):
        state = fire_on_host(hooks, "on_start_epoch", state)
        if state.stop:
            break
        program = Program(state.network, state.criterion, update, step_hooks(hooks))
        call = (
            functools.partial(train_chunk, program)
            if jit
            else functools.partial(run_eagerly, train_step, program)
        )
        state = _train_epoch(call, state, hooks, plan)
        if state.stop:  # in the middle, so this epoch does not count as done
            break
        state = state.replace(epoch=np.int32(state.epoch + 1))
        state = fire_on_host(hooks, "on_end_epoch", state)
    return fire_on_host(hooks, "on_end", state)


def run_test(state: State, hooks: Hooks, plan: Plan, jit: bool) -> State:
    """Measures all samples once.

    Args:
      state: the State at the start.
      hooks: all hooks; of the step's events three fire.
      plan: how many batches a call takes.
      jit: compile, or run step by step in Python.

    Returns:
      The State after `on_end`.
    """
    state = fire_on_host(hooks, "on_start", state)
    program = Program(state.network, state.criterion, None, step_hooks(hooks))
    call = (
        functools.partial(test_chunk, program)
        if jit
        else functools.partial(run_eagerly, test_step, program)
    )
    heavy, light = split(as_carry(_for_device(state)))
    t, epoch = int(state.t), int(state.epoch)
    queue: deque[State] = deque()
    for chunk in state.iterator.chunks(epoch, 0, plan.room):
        _, light = call(heavy, light, *_fitted(chunk, plan))
        t += len(chunk)
        _wait(queue, light)
    after = {name: getattr(light, name) for name in ("meters", "aux", "key", "samples")}
    return fire_on_host(hooks, "on_end", state.replace(**after, t=np.int32(t)))


def _train_epoch(
    call: Callable[..., Any], state: State, hooks: Hooks, plan: Plan
) -> State:
    """One epoch: chunk after chunk, the hooks of the host at their updates."""
    first, epoch = int(state.t), int(state.epoch)
    heavy, light = _owned(state)
    t, queue, late = first, deque(), _Late()

    def room(position: int, sample_bytes: int) -> int:
        return plan.room(first + position, sample_bytes)

    for chunk in state.iterator.chunks(epoch, 0, room):
        heavy, light = call(heavy, light, *_fitted(chunk, plan))
        t += len(chunk)
        late.show()  # what was watched before this call, now that the device is busy
        _wait(queue, light)
        for scheduled in hooks.scheduled:
            if t % scheduled.n:
                continue
            if scheduled.kind == "watch":
                late.keep(scheduled, light, state, t)
                continue
            late.show()
            state = _on_host(state, heavy, light, t)
            state = run_on_host(scheduled.function, f"every({scheduled.n})", state)
            t = int(state.t)
            heavy, light = _owned(state)
        if state.stop:
            break
    late.show()
    return _on_host(state, heavy, light, t)


def _fitted(chunk: Chunk, plan: Plan) -> tuple[Chunk, np.int32 | None]:
    """A chunk and how many of its samples count, None for all.

    So there are three executables at most for one shape of sample: the usual length,
    a single sample, and one for all lengths between, which are padded.
    """
    length = len(chunk)
    leaves = jax.tree.leaves(chunk.xs)
    usual = plan.usual(sum(leaf.nbytes for leaf in leaves) // length)
    if length == 1 or length >= usual:
        return chunk, None
    return chunk.padded(usual), np.int32(length)


class _Late:
    """Watches that are due, and are shown once the device is busy again."""

    def __init__(self) -> None:
        self.due: list[tuple[Scheduled, State]] = []

    def keep(self, scheduled: Scheduled, light: State, state: State, t: int) -> None:
        """Takes note of the State as it is; nothing of it will be donated."""
        seen = _on_host(state, dict.fromkeys(HEAVY), light, t).replace(key=None)
        for leaf in jax.tree.leaves((seen.meters, seen.aux, seen.lr)):
            leaf.copy_to_host_async()
        self.due.append((scheduled, seen))

    def show(self) -> None:
        """Calls the functions, in order, with NumPy arrays."""
        due, self.due = self.due, []
        for scheduled, seen in due:
            scheduled.function(jax.device_get(seen))


def _owned(state: State) -> tuple[dict[str, Any], State]:
    """The two parts of a State, the first in buffers that nobody else has seen."""
    heavy, light = split(as_carry(_for_device(state)))
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), heavy), light


def _for_device(state: State) -> State:
    """Leaves out what compiled code cannot use and should not be cached on."""
    return state.replace(iterator=None, max_epoch=None)


def _on_host(state: State, heavy: dict[str, Any], light: State, t: int) -> State:
    """The State as hooks of the host see it; `t` and `epoch` need no waiting."""
    names = ("lr", "meters", "aux", "key", "samples")
    after = {name: getattr(light, name) for name in names}
    return state.replace(**heavy, **after, t=np.int32(t), epoch=np.int32(state.epoch))


def _wait(queue: deque[State], light: State) -> None:
    """Waits for a call two back, never for the one in hand."""
    queue.append(light)
    if len(queue) > AHEAD:
        jax.block_until_ready(queue.popleft().t)


def _most_epochs(state: State) -> int:
    if state.max_epoch is None:
        raise ValueError("max_epoch must be an integer, got None.")
    return state.max_epoch
