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
from tntjax.engine._state import CARRIED, HEAVY, LIGHT, State, split
from tntjax.engine._traces import Traces

AHEAD = 2
"""Calls that may wait in the device's queue, so that memory stays bounded."""

SEEN = (*LIGHT, "samples")
"""What hooks of the host see as compiled code left it; the rest the host knows."""


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
      call: `(heavy, light, chunk, count, keep_every) -> (heavy, light, kept)`.
      training: whether updates are made, and hooks of the host fire.
    """

    def __init__(
        self, state: State, run: Run, call: Callable[..., Any], training: bool
    ) -> None:
        self._run, self._call, self._training = run, call, training
        self._iterator = state.iterator
        self._epoch, self._start = int(state.epoch), int(state.position)
        self._first = int(state.t) - self._start
        self._queue = _Queue(run.clock)
        self._take(state)

    def finish(self) -> State:
        """Makes the rest of the epoch and returns the State after it."""
        for chunk, count, keep_every in self._chunks():
            self._advance(chunk, count, keep_every)
            if self._training and self._act():
                break
        if self._training:
            self._queue.settle(0)
        return self.now()

    def now(self) -> State:
        """The State as hooks of the host see it; the counters need no waiting."""
        return self._seen(self._heavy, self._light, self._t)

    def _chunks(self) -> Iterator[tuple[Chunk, np.int32 | None, int | None]]:
        run = self._run

        def room(position: int, sample_bytes: int) -> int:
            return run.plan.room(self._first + position, sample_bytes)

        placed: dict[int, Any] = {}
        for chunk in self._iterator.chunks(self._epoch, self._start, room):
            chunk, count, keep_every = _fitted(chunk, run.plan)
            if run.placement is not None:
                chunk = run.placement.chunk(chunk, placed)
            run.clock.lap("data")
            yield chunk, count, keep_every

    def _advance(
        self, chunk: Chunk, count: np.int32 | None, keep_every: int | None
    ) -> None:
        run, before = self._run, self._t
        with run.signals.held():
            heavy, self._light, kept = run.traces.call(
                self._call, self._heavy, self._light, chunk, count, keep_every
            )
            if self._training:  # a test gives nothing back
                self._heavy = heavy
            self._t += len(chunk) if count is None else int(count)
        run.clock.lap("compile" if run.traces.fresh else "dispatch")
        self._queue.add(self._light)
        if keep_every is not None and before % keep_every == 0:
            self._watch_kept(kept, range(before + keep_every, self._t, keep_every))
        self._queue.settle(AHEAD)  # waits for a call two back, not for this one

    def _watch_kept(self, kept: Any, times: range) -> None:
        """Has what was kept on the way through a call shown."""
        for number, t in enumerate(times):
            apart = isinstance(kept, list)
            light, place = (kept[number], ()) if apart else (kept, (number,))
            seen = self._seen(dict.fromkeys(HEAVY), light, t)
            for scheduled in self._run.hooks.scheduled:
                if scheduled.kind == "watch" and scheduled.is_due(t):
                    self._queue.watch(scheduled, seen, place)

    def _act(self) -> bool:
        """Runs the hooks that are due; says whether the run is to stop."""
        run, stop = self._run, False
        due = [s for s in run.hooks.scheduled if s.is_due(self._t)]
        for scheduled in due:
            if scheduled.kind == "watch":
                seen = self._seen(dict.fromkeys(HEAVY), self._light, self._t)
                self._queue.watch(scheduled, seen)
            elif scheduled.kind == "every":
                stop = self._let_change(scheduled) or stop
        saves = [s for s in due if s.kind == "save"]
        if run.signals.terminated:
            saves = [s for s in run.hooks.scheduled if s.kind == "save"]
        if saves:
            self._queue.settle(0)
            for scheduled in saves:
                scheduled.function(self.now())
            run.clock.lap("hooks")
        if run.signals.terminated:
            raise SystemExit(TERMINATED)
        return stop

    def _let_change(self, scheduled: Scheduled) -> bool:
        self._queue.settle(0)
        what = f"every({scheduled.n})"
        state = run_on_host(scheduled.function, what, self.now())
        self._take(state)
        self._run.clock.lap("hooks")
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

    def _seen(self, heavy: dict[str, Any], light: State, t: int) -> State:
        return self._host.replace(
            **heavy,
            **{name: getattr(light, name) for name in SEEN},
            seconds=self._run.clock.spent,
            t=np.int32(t),
            epoch=np.int32(self._epoch),
            position=np.int32(t - self._first),
        )


def _fitted(chunk: Chunk, plan: Plan) -> tuple[Chunk, np.int32 | None, int | None]:
    """A chunk, how many of its samples count, None for all, and `keep_every`.

    So there are three executables at most for one shape of sample: the usual length,
    a single sample, and one for all lengths between, which are padded.
    """
    length, keep_every = len(chunk), plan.keep_every
    usual = plan.usual(sum(x.nbytes for x in jax.tree.leaves(chunk.xs)) // length)
    if length == 1:
        return chunk, None, None
    if keep_every is None or usual <= keep_every:
        keep_every, whole = None, max(usual, length)
    else:
        whole = -(-max(usual, length) // keep_every) * keep_every
    if length == whole:
        return chunk, None, keep_every
    return chunk.padded(whole), np.int32(length), keep_every


class _Queue:
    """Calls that were not waited for, and what is to be shown when they are done.

    Args:
      clock: is told about waiting and showing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: deque[tuple[State, list[Callable[[], Any]]]] = deque()

    def add(self, light: State) -> None:
        """Takes note of a call, by what it returns."""
        self._calls.append((light, []))

    def watch(self, scheduled: Scheduled, state: State, place: tuple = ()) -> None:
        """Has a State shown once the last call is done.

        Args:
          scheduled: what to show it to.
          state: the State, without large parts.
          place: where in the arrays of its light part.
        """
        light = {name: getattr(state, name) for name in SEEN} | {"key": None}
        for leaf in jax.tree.leaves(light):
            if any(device.platform != "cpu" for device in leaf.devices()):
                leaf.copy_to_host_async()  # pragma: no cover - on accelerators

        def show() -> None:
            # Not device_get, which takes ten times as long for small arrays.
            here = jax.tree.map(lambda leaf: np.asarray(leaf)[(*place, ...)], light)
            scheduled.function(state.replace(**here))

        if not self._calls:  # all was waited for, and a hook has changed the State
            self.add(state)
        self._calls[-1][1].append(show)

    def settle(self, most: int) -> None:
        """Waits until at most so many calls are left, and shows those done in order."""
        while len(self._calls) > most:
            light, shows = self._calls.popleft()
            jax.block_until_ready(light.t)
            self._clock.lap("device")
            for show in shows:
                show()
            self._clock.lap("hooks")
