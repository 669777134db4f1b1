"""One epoch on the host: calls the compiled step and never waits for it."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._types import Chunk
from tntjax.engine._carry import as_carry, as_plain
from tntjax.engine._clock import Clock
from tntjax.engine._fire import run_on_host
from tntjax.engine._hooks import Hooks, Scheduled
from tntjax.engine._mesh import Placement
from tntjax.engine._nothing import why_nothing
from tntjax.engine._plan import Plan
from tntjax.engine._rescue import Saves
from tntjax.engine._signals import TERMINATED, Signals
from tntjax.engine._state import CARRIED, HEAVY, State, split
from tntjax.engine._traces import Traces
from tntjax.engine._watching import SEEN, WatchQueue

AHEAD = 2
"""Calls that may wait in the device's queue, so that memory stays bounded."""

Fitting = tuple[Chunk, np.int32 | None, int | None]
"""A chunk, how many of its samples count, None for all, and `keep_every`."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What stays the same from one epoch to the next, and what watches over it.

    Args:
      hooks: all hooks.
      plan: how many steps a call makes.
      placement: where on a mesh things lie, or None.
      signals: what came from outside.
      saves: the hooks that save.
      clock: where the time went.
      traces: how often the step was traced.
    """

    hooks: Hooks
    plan: Plan
    placement: Placement | None
    signals: Signals
    saves: Saves
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
        self._queue = WatchQueue(run.clock, run.signals)
        self._fed = self._stops = False
        self.whole = False
        """True once all samples of the epoch were used."""
        self._take(state)

    def finish(self) -> State:
        """Makes the rest of the epoch, or of the run, and returns the State after it.

        Raises:
          ValueError: if there was nothing in the epoch.
        """
        with contextlib.closing(self._chunks()) as chunks:
            while (fitted := self._next(chunks)) is not None:
                self._advance(*fitted)
                if self._training:
                    self._act()
                self._queue.settle(AHEAD)  # waits for a call two back, not for this one
        if self._training:
            self._queue.settle(0)
        if self.whole and not self._fed and not self._start:
            raise ValueError(why_nothing(self._iterator, self._epoch))
        return self.now()

    def now(self) -> State:
        """The State as hooks of the host see it, with counters that are waited for."""
        heavy, light, t = self._at
        return as_plain(self._seen(heavy, light, t))

    def drain(self) -> Iterator[Exception]:
        """Shows what watches still hold, and yields what they raise."""
        return self._queue.drain()

    @property
    def _t(self) -> int:
        return self._at[2]

    def _next(self, chunks: Iterator[Fitting]) -> Fitting | None:
        """Reads the next chunk; None at the end of the epoch, or of the run."""
        signals = self._run.signals
        if signals.terminated and self._fed:
            self._save(lambda scheduled: True)
            raise SystemExit(TERMINATED)
        signals.check()
        with signals.heard():
            if not self._stops:
                fitted = next(chunks, None)
                self.whole = fitted is None
                return fitted
            with contextlib.suppress(Exception):  # of a sample that nobody wants
                self.whole = next(chunks, None) is None
            return None

    def _chunks(self) -> Generator[Fitting]:
        run = self._run

        def room(position: int, sample_bytes: int) -> int:
            if self._stops:  # it is only asked whether there is another sample
                return 1
            t = self._first + position
            room, most = run.plan.room(t, sample_bytes), self._host.max_steps
            return room if most is None else min(room, most - t)

        placed: dict[int, Any] = {}
        for chunk in self._iterator.chunks(self._epoch, self._start, room):
            self._fed = self._fed or any(leaf.size for leaf in jax.tree.leaves(chunk))
            chunk, count, keep_every = _fitted(chunk, run.plan)
            if run.placement is not None:
                chunk = run.placement.chunk(chunk, placed)
            run.clock.lap("data")
            yield chunk, count, keep_every

    def _advance(
        self, chunk: Chunk, count: np.int32 | None, keep_every: int | None
    ) -> None:
        run, (heavy, light, before) = self._run, self._at
        after, light, kept = run.traces.call(
            self._call, heavy, light, chunk, count, keep_every
        )
        heavy = after if self._training else heavy  # a test gives nothing back
        t = before + (len(chunk) if count is None else int(count))
        self._at = heavy, light, t
        run.clock.lap("compile" if run.traces.fresh else "dispatch")
        self._queue.add(light)
        if keep_every is not None and before % keep_every == 0:
            self._watch_kept(kept, range(before + keep_every, t, keep_every))

    def _watch_kept(self, kept: Any, times: range) -> None:
        """Has what was kept on the way through a call shown."""
        for number, t in enumerate(times):
            apart = isinstance(kept, list)
            light, place = (kept[number], ()) if apart else (kept, (number,))
            seen = self._seen(dict.fromkeys(HEAVY), light, t)
            for scheduled in self._run.hooks.scheduled:
                if scheduled.kind == "watch" and scheduled.is_due(t):
                    self._queue.watch(scheduled, seen, place)

    def _act(self) -> None:
        """Runs the hooks that are due, and finds out if the run is to stop."""
        run, t = self._run, self._t
        for scheduled in run.hooks.scheduled:
            if scheduled.kind == "watch" and scheduled.is_due(t):
                seen = self._seen(dict.fromkeys(HEAVY), self._at[1], t)
                self._queue.watch(scheduled, seen)
            elif scheduled.kind == "every" and scheduled.is_due(t):
                self._let_change(scheduled)
        self._save(lambda scheduled: scheduled.is_due(t))
        most = self._host.max_steps
        self._stops = self._host.stop or (most is not None and t >= most)

    def _save(self, due: Callable[[Scheduled], bool]) -> None:
        """Has the State saved by the hooks that are due to."""
        if any(map(due, self._run.saves.scheduled)):
            self._queue.settle(0)
            with self._run.signals.heard_in_hook():
                self._run.saves.run(self.now(), due)
            self._run.clock.lap("hooks")

    def _let_change(self, scheduled: Scheduled) -> None:
        self._queue.settle(0)
        event, before = f"every({scheduled.n})", self.now()
        with self._run.signals.heard_in_hook():
            state = run_on_host(scheduled.function, event, before)
        self._take(state)
        self._run.clock.lap("hooks")

    def _take(self, state: State) -> None:
        """Takes a State apart, its large parts into buffers nobody else has seen."""
        placement = self._run.placement
        # What compiled code cannot use it should not be cached on either.
        unused = {"iterator": None, "max_epoch": None, "max_steps": None}
        usable = state.replace(**unused, seconds=None, stop=False)
        heavy, light = split(as_carry(usable))
        if placement is not None:
            heavy, light = placement.state(heavy, light)
        if self._training:
            heavy = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), heavy)
        self._at = heavy, light, int(state.t)
        self._host = state.replace(**dict.fromkeys(CARRIED))

    def _seen(self, heavy: dict[str, Any], light: State, t: int) -> State:
        return self._host.replace(
            **heavy,
            **{name: getattr(light, name) for name in SEEN},
            seconds=self._run.clock.spent,
            t=t,
            epoch=self._epoch,
            position=t - self._first,
        )


def _fitted(chunk: Chunk, plan: Plan) -> Fitting:
    """A chunk of one of a few lengths.

    There are three executables at most for one shape of sample: the usual length,
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
