"""One epoch on the host: calls the compiled step and never waits for it."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._types import Chunk
from tntjax.engine._clock import Clock
from tntjax.engine._fire import as_carry, run_on_host
from tntjax.engine._hooks import Hooks, Scheduled
from tntjax.engine._mesh import Placement
from tntjax.engine._plan import Plan
from tntjax.engine._signals import TERMINATED, Signals
from tntjax.engine._state import CARRIED, COUNTERS, HEAVY, State, split
from tntjax.engine._traces import Traces

AHEAD = 2  # chunks that may wait in the device's queue, so that memory stays bounded


@dataclasses.dataclass(frozen=True)
class Run:
    """What stays the same from one epoch to the next, and what watches over it.

    Args:
      hooks: all hooks.
      plan: how many steps a call makes.
      placement: where on a mesh things lie, or None.
      signals: what came from outside.
      clock: where the time went.
      traces: how often the step was traced.
    """

    hooks: Hooks
    plan: Plan
    placement: Placement | None
    signals: Signals
    clock: Clock = dataclasses.field(default_factory=Clock)
    traces: Traces = dataclasses.field(default_factory=Traces)


class Epoch:
    """An epoch under way. Between two calls `now()` is the State.

    Args:
      state: the State at its start, or from where it goes on. It is not kept, so that
        parameters nobody else holds are given back.
      run: what it belongs to.
      call: `(heavy, light, chunk, count) -> (heavy, light)`.
      training: whether updates are made, and hooks of the host fire.
    """

    def __init__(
        self, state: State, run: Run, call: Callable[..., Any], training: bool
    ) -> None:
        self._run, self._call, self._training = run, call, training
        self._iterator = state.iterator
        self._epoch, self._start = int(state.epoch), int(state.position)
        self._first = int(state.t) - self._start
        self._queue: deque[State] = deque()
        self._late = _Late()
        self._take(state)

    def finish(self) -> State:
        """Makes the rest of the epoch and returns the State after it."""
        for chunk, count in self._chunks():
            self._advance(chunk, count)
            if self._training and self._act():
                break
        self._late.show()
        if self._training:
            jax.block_until_ready(self._light.t)
            self._run.clock.lap("device")
        return self.now()

    def now(self) -> State:
        """The State as hooks of the host see it; the counters need no waiting."""
        return self._seen(self._heavy)

    def _chunks(self) -> Iterator[tuple[Chunk, np.int32 | None]]:
        run = self._run

        def room(position: int, sample_bytes: int) -> int:
            return run.plan.room(self._first + position, sample_bytes)

        placed: dict[int, Any] = {}
        for chunk in self._iterator.chunks(self._epoch, self._start, room):
            chunk, count = _fitted(chunk, run.plan)
            if run.placement is not None:
                chunk = run.placement.chunk(chunk, placed)
            run.clock.lap("data")
            yield chunk, count

    def _advance(self, chunk: Chunk, count: np.int32 | None) -> None:
        run = self._run
        with run.signals.held():
            heavy, self._light = run.traces.call(
                self._call, self._heavy, self._light, chunk, count
            )
            if self._training:  # a test gives nothing back
                self._heavy = heavy
            self._t += len(chunk) if count is None else int(count)
        run.clock.lap("compile" if run.traces.fresh else "dispatch")
        self._late.show()  # what was watched before this call: the device is busy now
        run.clock.lap("hooks")
        self._queue.append(self._light)
        if len(self._queue) > AHEAD:  # wait for a call two back, not for this one
            jax.block_until_ready(self._queue.popleft().t)
            run.clock.lap("device")

    def _act(self) -> bool:
        """Runs the hooks that are due; says whether the run is to stop."""
        run, stop = self._run, False
        due = [s for s in run.hooks.scheduled if s.is_due(self._t)]
        for scheduled in due:
            if scheduled.kind == "watch":
                self._late.keep(scheduled, self._seen(dict.fromkeys(HEAVY)))
            elif scheduled.kind == "every":
                stop = self._let_change(scheduled) or stop
        saves = [s for s in due if s.kind == "save"]
        if run.signals.terminated:
            saves = [s for s in run.hooks.scheduled if s.kind == "save"]
        if saves:
            self._late.show()
            for scheduled in saves:
                scheduled.function(self.now())
            run.clock.lap("hooks")
        if run.signals.terminated:
            raise SystemExit(TERMINATED)
        return stop

    def _let_change(self, scheduled: Scheduled) -> bool:
        clock = self._run.clock
        jax.block_until_ready(self._light.t)
        clock.lap("device")
        self._late.show()
        what = f"every({scheduled.n})"
        state = run_on_host(scheduled.function, what, self.now())
        self._take(state)
        clock.lap("hooks")
        return state.stop

    def _take(self, state: State) -> None:
        """Takes a State apart, its large parts into buffers nobody else has seen."""
        placement = self._run.placement
        # What compiled code cannot use it should not be cached on either.
        usable = state.replace(iterator=None, max_epoch=None, seconds=None, stop=False)
        heavy, light = split(as_carry(usable))
        if placement is not None:
            heavy, light = placement.state(heavy, light)
        if self._training:
            heavy = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), heavy)
        self._heavy, self._light, self._t = heavy, light, int(state.t)
        self._host = state.replace(**dict.fromkeys(CARRIED))

    def _seen(self, heavy: dict[str, Any]) -> State:
        names = (n for n in CARRIED if n not in (*HEAVY, *COUNTERS))
        light = {name: getattr(self._light, name) for name in names}
        return self._host.replace(
            **heavy,
            **light,
            seconds=self._run.clock.spent,
            samples=self._light.samples,
            t=np.int32(self._t),
            epoch=np.int32(self._epoch),
            position=np.int32(self._t - self._first),
        )


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

    def keep(self, scheduled: Scheduled, state: State) -> None:
        """Takes note of the State as it is; nothing of it will be donated."""
        seen = state.replace(key=None)
        for leaf in jax.tree.leaves((seen.meters, seen.aux, seen.lr)):
            leaf.copy_to_host_async()
        self.due.append((scheduled, seen))

    def show(self) -> None:
        """Calls the functions, in order, with NumPy arrays."""
        due, self.due = self.due, []
        for scheduled, seen in due:
            scheduled.function(jax.device_get(seen))
