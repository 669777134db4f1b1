"""One epoch on the host: calls the compiled step and never waits for it."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import numpy as np

from tntjax.engine._ahead import Planned, read_ahead
from tntjax.engine._call import Batches, Kept
from tntjax.engine._carry import as_carry, as_plain, claim_buffers, is_on_host
from tntjax.engine._check import check_width
from tntjax.engine._fire import run_on_host
from tntjax.engine._hooks import Scheduled
from tntjax.engine._nothing import explain_nothing
from tntjax.engine._plan import Steps
from tntjax.engine._rescue import note_others
from tntjax.engine._run import Run
from tntjax.engine._signals import TERMINATED
from tntjax.engine._state import CARRIED, Carry, State, split_state
from tntjax.engine._watching import SEEN, WatchQueue

AHEAD = 2
"""Calls that may wait in the device's queue, so that memory stays bounded."""


class Epoch:
    """An epoch under way. Between two calls `now()` is the State.

    Args:
      state: the State at its start, or from where it goes on. It is not kept, so that
        parameters nobody else holds are given back.
      run: what it belongs to.
    """

    def __init__(self, state: State, run: Run) -> None:
        self._run, self._calls = run, run.calls(state)
        self._calls.take_traces()  # those of a run that failed are not of this one
        self._training = run.update is not None
        self._iterator = state.iterator
        self._epoch, self._start = int(state.epoch), int(state.position)
        self._first = int(state.t) - self._start  # updates before this epoch
        self._queue = WatchQueue(run.clock, run.signals)
        self._fed = self._stops = False  # no sample came, nobody wants to stop
        self.whole = False
        """True once all samples of the epoch were used."""
        self._take(state)

    def finish(self) -> State:
        """Makes the rest of the epoch, or of the run, and returns the State after it.

        Raises:
          ValueError: if there was nothing in the epoch.
        """
        with contextlib.closing(read_ahead(self._chunks())) as chunks:
            while (planned := self._next(chunks)) is not None:
                batches, steps, _ = planned
                if self._is_shown:  # a hook may hold what the call is to overwrite
                    self._claim()
                self._calls.on_trace = self._tell_displays
                try:
                    self._carry, kept = self._calls(self._carry, batches, steps)
                finally:  # calls outlive the run, and hold nothing of it
                    self._calls.on_trace = None
                self._note_call(kept, steps)
                if self._training:
                    self._act()
                self._queue.settle(AHEAD)  # waits for a call two back, not for this one
        if self._training:
            self._prepare_next()
            self._queue.settle(0)
        if self.whole and not self._fed:
            explain_nothing(self._iterator, self._epoch, self._start)
        return self.now()

    def _prepare_next(self) -> None:
        """Lets the iterator make the next epoch's order, while the device works."""
        prepare = getattr(self._iterator, "prepare", None)
        most, number = self._host.max_epoch, self._epoch + 1  # the next epoch's
        is_last = self._stops or (most is not None and number >= most)
        # A CPU is busy itself until the epoch is over.
        works = self._run.jit and self._run.plan.accelerated
        if works and prepare is not None and not is_last:
            prepare(number)

    def now(self) -> State:
        """Returns the State as hooks of the host see it, and waits for its counters."""
        self._is_shown = True
        return as_plain(self._seen(self._carry, self._t))

    def drain(self) -> Iterator[Exception]:
        """Shows what watches still hold, and yields what they raise."""
        return self._queue.drain()

    def _next(self, chunks: Iterator[Planned]) -> Planned | None:
        """Reads the next chunk; None at the end of the epoch, or of the run."""
        signals = self._run.signals
        signals.ask_before_call()
        if signals.terminated and self._fed:  # there is something new to save
            self._save(lambda scheduled: True)
            raise SystemExit(TERMINATED)
        signals.check()
        planned = None
        with signals.heard():
            if not self._stops:
                planned = next(chunks, None)
                self.whole = planned is None
            else:  # an epoch that was used up counts, though the run ends here
                with contextlib.suppress(Exception):  # of a sample that nobody wants
                    self.whole = next(chunks, None) is None
        self._run.clock.lap("data")
        if planned is not None and not self._fed:
            leaves = jax.tree.leaves(planned.batches.chunk)
            self._fed = any(leaf.size for leaf in leaves)  # a row at least
        return planned

    def _chunks(self) -> Generator[Planned]:
        run, asked, epoch = self._run, 1, None  # what `room` said last

        def room(position: int, sample_bytes: int, length: int | None = None) -> int:
            nonlocal asked, epoch
            if self._stops:  # it is only asked whether there is another sample: `_next`
                return 1
            t, epoch = self._first + position, self._calls.lengths.find_epoch(length)
            asked, most = run.plan.room(t, sample_bytes, epoch), self._host.max_steps
            asked = asked if most is None else min(asked, most - t)
            return asked  # at most: the iterator may give fewer

        placed: dict[int, Any] = {}  # what lies on the mesh, once an epoch
        t = self._first + self._start
        for chunk in self._iterator.chunks(self._epoch, self._start, room):
            check_width(chunk.xs)
            size = sum(leaf.nbytes for leaf in jax.tree.leaves(chunk.xs))
            length, count = len(chunk), None
            steps = self._calls.lengths.find_steps(
                run.plan, length, asked, size // length, epoch
            )
            t += length
            # Only what is gathered on the host takes time; and a hook may act first.
            leads_on = is_on_host(chunk) and run.reads_ahead and not self._holds(t)
            leads_on = leads_on and not self._stops
            if steps.counted:  # one executable for several lengths
                count = np.int32(steps.count)
            if steps.length > steps.count:
                chunk = chunk.padded(steps.length)  # the calls stop at the count
            yield Planned(self._send(Batches(chunk, count), placed), steps, leads_on)

    def _holds(self, t: int) -> bool:
        """True if hooks that run after `t` updates may change what is read then."""
        most = self._host.max_steps
        return (most is not None and t >= most) or any(
            scheduled.kind == "every" for scheduled in self._due(t)
        )

    def _send(self, batches: Batches, placed: dict[int, Any]) -> Batches:
        """Begins to bring samples to where they are used."""
        run = self._run
        if run.placement is not None:
            # The count [] stays on the host, whence it goes to each device.
            chunk = run.placement.chunk(batches.chunk, placed)
            return Batches(chunk, batches.count)
        if run.jit and run.plan.accelerated and is_on_host(batches.chunk):
            return jax.device_put(batches, self._place)
        return batches

    def _note_call(self, kept: Kept, steps: Steps) -> None:
        """Counts the steps of a call, and has what it kept shown."""
        run, before = self._run, self._t
        self._t = before + steps.count
        for trace in (traces := self._calls.take_traces()):
            run.traces.add(trace, self._iterator)
        run.clock.lap("compile" if traces else "dispatch")
        self._queue.add(self._carry.light["t"])  # [], there when the call is done
        for number, t in enumerate(steps.kept_times(before)):
            # Steps one by one keep a list, a compiled call leaves [groups, ...].
            apart = isinstance(kept, list)
            light, place = (kept[number], ()) if apart else (kept, (number,))
            for scheduled in self._due(t):  # a watch: calls end where others are due
                seen = self._seen(Carry({}, light), t)
                self._queue.watch(scheduled.function, _name(scheduled), seen, place)
        for display in run.hooks.displays:
            if display.wants():
                seen = self._seen(Carry({}, self._carry.light), self._t)
                self._queue.watch(display.show, "a display", seen)

    def _tell_displays(self) -> None:
        for display in self._run.hooks.displays:
            display.compile()

    def _due(self, t: int) -> list[Scheduled]:
        return [s for s in self._run.hooks.scheduled if s.is_due(t)]

    def _act(self) -> None:
        """Runs the hooks that are due, and finds out if the run is to stop.

        After an error watches, which are read-only, run all the same: who goes on from
        here finds them done.
        """
        errors, due = [], self._due(self._t)
        for number, scheduled in enumerate(due):
            if scheduled.kind == "every":
                try:
                    self._queue.settle(0)  # watches come before what changes the State
                except Exception as error:
                    errors.append(error)
                try:
                    self._let_change(scheduled)
                except BaseException as error:
                    for later in due[number:]:
                        if later.kind == "watch":
                            self._watch(later)
                    note_others(error, "A watch before", errors)
                    errors.clear()
                    raise
            else:
                self._watch(scheduled)
        if errors:
            note_others(errors[0], "A later watch", errors[1:])
            try:
                raise errors[0]
            finally:
                errors.clear()  # or tracebacks would hold them, and they the State
        t = self._t
        self._save(lambda scheduled: scheduled.is_due(t))
        most = self._host.max_steps
        self._stops = self._host.stop or (most is not None and t >= most)

    def _watch(self, scheduled: Scheduled) -> None:
        seen = self._seen(Carry({}, self._carry.light), self._t)
        self._queue.watch(scheduled.function, _name(scheduled), seen)

    def _save(self, due: Callable[[Scheduled], bool]) -> None:
        """Runs the hooks that are due to save."""
        if any(map(due, self._run.saves.scheduled)):
            self._queue.settle(0)
            with self._run.signals.heard_in_hook():
                self._run.saves.run(self.now(), due)
            self._run.clock.lap("hooks")

    def _let_change(self, scheduled: Scheduled) -> None:
        event, before = f"every({scheduled.n})", self.now()
        with self._run.signals.heard_in_hook():
            state = run_on_host(scheduled.function, event, before)
        self._take(state)
        self._run.clock.lap("hooks")

    def _take(self, state: State) -> None:
        """Takes a State apart. Whoever holds it may hold its arrays, too."""
        carry = split_state(as_carry(state))
        if self._run.placement is not None:
            carry = self._run.placement.place(carry)
        self._carry, self._t, self._is_shown = carry, int(state.t), True
        t = carry.light["t"]
        self._place = t.sharding if t.committed else None  # as all is, or nothing
        # What compiled code does not carry; the arrays must not be held twice.
        self._host = state.replace(**dict.fromkeys((*CARRIED, "loss")))

    def _claim(self) -> None:
        """Sees to it that no buffer is donated that somebody else holds."""
        self._is_shown = False
        if self._calls.donates:
            leaves, tree = jax.tree.flatten(self._carry.heavy)
            light = self._carry.light
            del self._carry  # or its dicts would hold them
            self._carry = Carry(tree.unflatten(claim_buffers(leaves)), light)

    def _seen(self, carry: Carry, t: int) -> State:
        """Returns the State as hooks of the host see it after `t` updates."""
        return self._host.replace(
            **carry.heavy,
            **{name: carry.light.get(name) for name in SEEN},  # no key if kept
            seconds=self._run.clock.spent,
            compiled=len(self._run.traces),
            t=t,
            epoch=self._epoch,
            position=t - self._first,
        )


def _name(scheduled: Scheduled) -> str:
    return f"{scheduled.kind}({scheduled.n})"
