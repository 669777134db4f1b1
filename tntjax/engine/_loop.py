"""Training and testing: epochs, and the hooks of the host between them."""

import contextlib
import functools
import time
import warnings
from collections.abc import Iterator
from typing import Any

from tntjax.engine._around import Source
from tntjax.engine._carry import as_plain, as_restored, read_saved
from tntjax.engine._epoch import Epoch
from tntjax.engine._fire import fire_on_host
from tntjax.engine._hooks import Hooks
from tntjax.engine._match import check_saved
from tntjax.engine._mesh import on_mesh
from tntjax.engine._nothing import has_sample
from tntjax.engine._rescue import attach_state, note_others, read_whole
from tntjax.engine._run import Load, Run
from tntjax.engine._state import COUNTERS, LIGHT, State

NOTHING_LEFT = """tntjax: nothing was left to train: the State that state= goes on \
from has done {epoch} epochs and {t} updates, and max_epoch={max_epoch} and \
max_steps={max_steps} count from the very start. Make them larger."""


class Testing:
    """A test: measures all samples once.

    Args:
      state: the State at the start.
      run: how.
    """

    def __init__(self, state: State, run: Run) -> None:
        self._state, self._run = state, run
        self._epoch: Epoch | None = None

    def finish(self) -> State:
        """Returns the State after `on_end`. An error carries the last good one."""
        run = self._run
        with (
            on_mesh(run.placement) as (enter, leave),
            attach_state(self._now),
            _displayed(run.hooks),
        ):
            self._state = enter(self._state)
            self._state = fire_on_host(run.hooks, "on_start", as_plain(self._state))
            self._epoch = Epoch(self._state, run)
            self._state, self._epoch = self._epoch.finish(), None
            self._state = as_plain(fire_on_host(run.hooks, "on_end", self._state))
        return leave(self._state)

    def _now(self) -> State:
        return self._state if self._epoch is None else self._epoch.now()


class Training:
    """A training run. Between two epochs it holds the State, in one the epoch does.

    Args:
      state: the State at the start.
      run: how.
    """

    def __init__(self, state: State, run: Run) -> None:
        self._state, self._run = state, run
        self._epoch: Epoch | None = None  # then it has the State
        self._before: dict[str, Any] = {}  # what `on_start_epoch` found
        # Until it is, no error carries the State: what was saved is not in it yet.
        self._is_restored = run.load is None and not run.goes_on

    def finish(self) -> State:
        """Trains until `max_epoch` or `max_steps`, or until a hook sets `stop`.

        Returns:
          The State after `on_end`. An error carries the last good one.
        """
        run = self._run
        # Outermost is what ends last: an error gets its State, then leaves the mesh.
        with (
            on_mesh(run.placement) as (enter, leave),
            attach_state(self._now),
            _displayed(run.hooks),
            self._closing(),
        ):
            self._state = enter(self._state)
            with run.signals, self._rescuing():  # handlers outlive the rescue
                saved = self._start()
                if run.goes_on and not (self._goes_on() or self._has_to_count()):
                    words = vars(self._state)
                    warnings.warn(NOTHING_LEFT.format_map(words), stacklevel=2)
                while self._goes_on() or self._has_to_count():
                    self._start_epoch(saved)
                    saved = None  # the epochs after it begin as usual
                    if self._state.stop:
                        break
                    self._epoch = Epoch(self._state, run)
                    del self._state  # or its parameters could not be donated
                    self._state = self._epoch.finish()
                    if not self._end_epoch():
                        break
            self._state = fire_on_host(run.hooks, "on_end", as_plain(self._state))
        return leave(as_plain(self._state))

    def _now(self) -> State | None:
        """Returns the State to go on from, which has done all that it counts."""
        if self._epoch is None:
            return as_plain(self._state) if self._is_restored else None
        state = self._epoch.now()
        if not state.position:  # a run that goes on will fire on_start_epoch again
            state = as_plain(state.replace(**self._before))
        return state

    def _goes_on(self) -> bool:
        state, signals = self._state, self._run.signals
        signals.check()
        if state.max_epoch is None and state.max_steps is None:  # by a hook
            raise ValueError("max_epoch must be an integer, got None.")
        return not (
            state.stop
            or signals.terminated
            or (state.max_epoch is not None and int(state.epoch) >= state.max_epoch)
            or (state.max_steps is not None and int(state.t) >= state.max_steps)
        )

    def _has_to_count(self) -> bool:
        """True if all samples of an epoch were used, but it was not counted yet.

        An error in `on_end_epoch` leaves such a State, and a run that has made all its
        updates may go on from it.
        """
        state = self._state
        if not int(state.position) or state.stop or self._run.signals.terminated:
            return False
        return not has_sample(state.iterator, int(state.epoch), int(state.position))

    def _start(self) -> dict[str, Any] | None:
        """Comes before the first epoch; returns the fields to go on with, if any."""
        run, load = self._run, self._run.load
        source: Source = "disk"
        if run.goes_on:
            load = functools.partial(_add_entries, read_saved(self._state))
            source = "memory"
            # As at a start, so that `on_start` makes all entries; the old ones follow.
            self._state = self._state.replace(meters={}, aux={}, large={}, done=None)
        with run.signals.heard():
            for session in run.hooks.sessions:
                if session.open is not None:
                    session.open()
        self._fire("on_start")
        with run.signals.heard():
            saved = None if load is None else self._read(load)
            if saved is not None:
                self._state = _fill_state(self._state, saved)
            self._tell("start" if saved is None else source)
        self._is_restored = True
        run.saves.begin(self._state)
        return saved

    def _start_epoch(self, saved: dict[str, Any] | None) -> None:
        fields = (*LIGHT, *COUNTERS)
        self._before = {name: getattr(self._state, name) for name in fields}
        self._fire("on_start_epoch")
        # In the middle of an epoch the hooks were through with its start: undo it.
        if saved and int(saved["position"]):
            self._state = _fill_state(self._state, saved)
            self._tell("memory" if self._run.goes_on else "disk")
        self._run.clock.lap("hooks")  # those since the last epoch's end

    def _end_epoch(self) -> bool:
        """Comes after an epoch; False if it was stopped in the middle."""
        run, epoch, self._epoch = self._run, self._epoch, None  # self._state counts
        whole = epoch is not None and epoch.whole
        if whole:
            # The State is kept until hooks are through: going on, they are fired again.
            state = self._state
            state = state.replace(epoch=state.epoch + 1, position=0)
            state.recorded.epoch_ended = time.perf_counter()
            state.recorded.ended = {"lr": state.lr, "aux": state.aux}
            with run.signals.heard_in_hook():
                state = fire_on_host(run.hooks, "on_end_epoch", state)
            # As it would be restored, so that going on makes no difference.
            self._state = as_restored(state)
        # A run that a hook stopped in the middle of an epoch is saved as well.
        with run.signals.heard_in_hook():
            run.saves.run(self._state)
        return whole

    def _fire(self, event: str) -> None:
        with self._run.signals.heard_in_hook():
            state = fire_on_host(self._run.hooks, event, as_plain(self._state))
        self._state = state

    def _tell(self, source: Source) -> None:
        for session in self._run.hooks.sessions:
            if session.load is not None:
                session.load(as_plain(self._state), source)

    def _read(self, load: Load) -> dict[str, Any] | None:
        """Reads what to go on with, into the structure that the hooks have made.

        What `on_start` does not make, `on_start_epoch` may: then that is run to find
        out, and its State is dropped, as what was saved comes before it.
        """
        if self._run.load:  # else it comes from memory, and was checked
            load = functools.partial(_load, load, self._state.members)
        try:
            return load({**read_saved(self._state), "recorded": None})  # with rows
        except ValueError as error:  # which may tell the numbers that it could read
            if (numbers := getattr(error, "numbers", None)) is None:
                raise
        state = as_plain(_fill_state(self._state, numbers))
        state = fire_on_host(self._run.hooks, "on_start_epoch", state)
        return load({**read_saved(state), "recorded": None})

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:  # all, though one fails
            for session in reversed(self._run.hooks.sessions):  # the first one first
                if session.close is not None:
                    stack.callback(session.close)
            yield

    @contextlib.contextmanager
    def _rescuing(self) -> Iterator[None]:
        """Shows what watches still hold after an error, and saves after Ctrl-C."""
        try:
            yield
        except BaseException as error:
            with self._run.signals.heard():
                self._rescue(error)
            raise

    def _rescue(self, error: BaseException) -> None:
        # Watches of updates that the State counts: who goes on does not see them again.
        if self._epoch is not None:
            note_others(error, "Showing the rest", self._epoch.drain())
        state = read_whole(self._now)
        if isinstance(error, KeyboardInterrupt) and state is not None:
            try:
                self._run.saves.run(state)
            except Exception as second:
                note_others(error, "Saving", [second])


@contextlib.contextmanager
def _displayed(hooks: Hooks) -> Iterator[None]:
    """Opens the displays of a run, and closes them whatever happens."""
    with contextlib.ExitStack() as stack:
        for display in hooks.displays:
            display.open()
            stack.callback(display.close)
        yield


def _load(
    load: Load, members: int | None, like: dict[str, Any]
) -> dict[str, Any] | None:
    """Returns all fields to go on with; a user's function may return some."""
    try:
        saved = load(like)
    except Exception as error:
        error.add_note("This happened in resume.")
        raise
    return None if saved is None else check_saved(saved, like, members)


def _fill_state(state: State, saved: dict[str, Any]) -> State:
    saved = {**saved, "stop": state.stop or bool(saved.get("stop", False))}
    if (done := saved.get("done")) is not None and not done.any():
        saved["done"] = None  # as it was while no member had stopped
    if (rows := saved.pop("recorded", None)) is not None:
        state.recorded.rows = list(rows)  # of this run's own History
    return state.replace(**saved)


def _add_entries(saved: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a run that ended, with what new hooks have added."""
    added = {
        name: {**start[name], **saved[name]} for name in ("meters", "aux", "large")
    }
    return {**saved, **added, "stop": False}
