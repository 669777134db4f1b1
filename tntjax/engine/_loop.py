"""Training and testing: epochs, and the hooks of the host between them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from tntjax.checkpoint._leaves import MismatchError
from tntjax.engine._call import Calls, find_calls
from tntjax.engine._carry import as_plain, as_restored, saved_fields
from tntjax.engine._epoch import Epoch, Run
from tntjax.engine._fire import fire_on_host
from tntjax.engine._hooks import Hooks
from tntjax.engine._mesh import Placement, run_on_mesh
from tntjax.engine._plan import Plan
from tntjax.engine._rescue import Saves, carrying, note_others, read_whole
from tntjax.engine._signals import Signals
from tntjax.engine._state import COUNTERS, LIGHT, State
from tntjax.engine._step import Program, step_hooks

Load = Callable[[dict[str, Any]], dict[str, Any] | None]
"""From the saved fields as they are at the start to those to go on with, if any."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to run.

    Args:
      plan: how many steps a call makes.
      jit: compile, or run step by step in Python.
      update: `(State, Objective) -> State`, applies `grads`; None in a test.
      accumulate: in how many pieces the gradients are computed.
      placement: where on a mesh things lie, or None.
      load: where a run goes on from, or None.
      goes_on: whether it goes on from the State at the start itself.
    """

    plan: Plan
    jit: bool
    update: Any = None
    accumulate: int = 1
    placement: Placement | None = None
    load: Load | None = None
    goes_on: bool = False


def run_training(start: list[State], hooks: Hooks, settings: Settings) -> State:
    """Trains until `max_epoch` or `max_steps`, or until a hook sets `stop`.

    Args:
      start: a list of the State at the start, which is taken out of it.
      hooks: all hooks.
      settings: how.

    Returns:
      The State after `on_end`. An error carries the last good one.
    """

    def train(start: list[State]) -> State:
        training = _Training(start.pop(), hooks, settings)
        with carrying(training.now):
            try:
                return training.finish()
            finally:
                for close in _functions(hooks, "close"):
                    close()

    return run_on_mesh(settings.placement, start, train)


def run_test(state: State, hooks: Hooks, settings: Settings) -> State:
    """Measures all samples once.

    Args:
      state: the State at the start.
      hooks: all hooks; of the step's events three fire.
      settings: how.

    Returns:
      The State after `on_end`. An error carries the last good one.
    """

    def test(start: list[State]) -> State:
        state = start.pop()
        now = lambda: state  # noqa: E731
        with carrying(lambda: now()):
            signals = Signals(saves=False)  # never entered: Ctrl-C ends a test
            run = Run(hooks, settings.plan, settings.placement, signals, Saves(hooks))
            state = fire_on_host(hooks, "on_start", as_plain(state))
            epoch = Epoch(state, run, _calls(state, hooks, settings))
            now = epoch.now
            state = epoch.finish()
            now = lambda: state  # noqa: E731
            return as_plain(fire_on_host(hooks, "on_end", state))

    return run_on_mesh(settings.placement, [state], test)


class _Training:
    """A training run. Between two epochs it holds the State, in one the epoch does.

    Args:
      state: the State at the start.
      hooks: all hooks.
      settings: how to run.
    """

    def __init__(self, state: State, hooks: Hooks, settings: Settings) -> None:
        saves = Saves(hooks)
        signals = Signals(saves=bool(saves.scheduled))
        self._run = Run(hooks, settings.plan, settings.placement, signals, saves)
        self._settings, self._state = settings, state
        self._epoch: Epoch | None = None
        self._before: dict[str, Any] = {}
        self._is_restored = settings.load is None and not settings.goes_on

    def now(self) -> State | None:
        """Returns the State to go on from, which has done all that it counts."""
        if self._epoch is None:
            return as_plain(self._state) if self._is_restored else None
        state = self._epoch.now()
        if not state.position:  # a run that goes on will fire on_start_epoch again
            state = as_plain(state.replace(**self._before))
        return state

    def finish(self) -> State:
        """Trains, and returns the State after `on_end`."""
        with self._run.signals as signals:
            try:
                self._train()
            except BaseException as error:
                with signals.heard():
                    self._rescue(error)
                raise
        self._state = fire_on_host(self._run.hooks, "on_end", as_plain(self._state))
        return as_plain(self._state)

    def _train(self) -> None:
        saved = self._start()
        while self._goes_on():
            self._start_epoch(saved)
            saved = None
            if self._state.stop or not self._finish_epoch():
                break

    def _goes_on(self) -> bool:
        state, signals = self._state, self._run.signals
        signals.check()
        if state.max_epoch is None and state.max_steps is None:
            raise ValueError("max_epoch must be an integer, got None.")
        return not (
            state.stop
            or signals.terminated
            or (state.max_epoch is not None and int(state.epoch) >= state.max_epoch)
            or (state.max_steps is not None and int(state.t) >= state.max_steps)
        )

    def _finish_epoch(self) -> bool:
        """Makes what is left of an epoch; False if it was stopped in the middle."""
        run = self._run
        calls = _calls(self._state, run.hooks, self._settings)
        self._epoch = epoch = Epoch(self._state, run, calls)
        del self._state  # or its parameters would be held for the whole epoch
        self._state, self._epoch = epoch.finish(), None
        if epoch.whole:
            # Kept until the hooks are through: going on, they are fired again.
            state = self._state
            ended = state.replace(epoch=state.epoch + 1, position=0)
            with run.signals.heard_in_hook():
                ended = fire_on_host(run.hooks, "on_end_epoch", ended)
            # As it would be restored, so that going on makes no difference.
            self._state = as_restored(ended)
        with run.signals.heard_in_hook():
            run.saves.run(self._state)
        return epoch.whole

    def _fire(self, event: str) -> None:
        with self._run.signals.heard_in_hook():
            state = fire_on_host(self._run.hooks, event, as_plain(self._state))
        self._state = state

    def _start(self) -> dict[str, Any] | None:
        """Comes before the first epoch; returns the fields to go on with, if any."""
        run, load, kind = self._run, self._settings.load, "load"
        if self._settings.goes_on:
            load, kind = functools.partial(_go_on, saved_fields(self._state)), "go_on"
            self._state = self._state.replace(meters={}, aux={}, large={})
        with run.signals.heard():
            for prepare in _functions(run.hooks, "open"):
                prepare()
        self._fire("on_start")
        with run.signals.heard():
            saved = None if load is None else _read(load, self._state, run.hooks)
            if saved is None:
                kind = "begin"
            else:
                self._state = _filled(self._state, saved)
            for function in _functions(run.hooks, kind):
                function(as_plain(self._state))
        self._is_restored = True
        run.saves.begin(self._state)
        return saved

    def _start_epoch(self, saved: dict[str, Any] | None) -> None:
        fields = (*LIGHT, *COUNTERS)
        self._before = {name: getattr(self._state, name) for name in fields}
        self._fire("on_start_epoch")
        if saved and int(saved["position"]):  # this was done before
            self._state = _filled(self._state, saved)
            kind = "go_on" if self._settings.goes_on else "load"
            for function in _functions(self._run.hooks, kind):
                function(as_plain(self._state))
        self._run.clock.lap("hooks")  # those since the last epoch's end

    def _rescue(self, error: BaseException) -> None:
        """Shows what watches still hold and, after Ctrl-C, saves."""
        if self._epoch is not None:
            note_others(error, "Showing the rest", self._epoch.drain())
        state = read_whole(self.now)
        if isinstance(error, KeyboardInterrupt) and state is not None:
            try:
                self._run.saves.run(state)
            except Exception as second:
                note_others(error, "Saving", [second])


def _calls(state: State, hooks: Hooks, settings: Settings) -> Calls:
    program = Program(
        network=state.network,
        criterion=state.criterion,
        update=settings.update,
        hooks=step_hooks(hooks),
        accumulate=settings.accumulate,
        placement=settings.placement,
    )
    return find_calls(program, settings.jit)


def _read(load: Load, state: State, hooks: Hooks) -> dict[str, Any] | None:
    """Reads what to go on with, into the structure that the hooks have made.

    What `on_start` does not make, `on_start_epoch` may: then that is run to find out,
    and its State is dropped, as what was saved comes before it.
    """
    try:
        return load(saved_fields(state))
    except MismatchError as error:
        numbers = error.numbers
    state = as_plain(_filled(state, numbers))
    return load(saved_fields(fire_on_host(hooks, "on_start_epoch", state)))


def _filled(state: State, saved: dict[str, Any]) -> State:
    stop = state.stop or bool(saved.get("stop", False))
    return state.replace(**{**saved, "stop": stop})


def _go_on(saved: dict[str, Any], start: dict[str, Any]) -> dict[str, Any]:
    """The fields of a run that ended, and what new hooks have added to them."""
    added = {
        name: {**start[name], **saved[name]} for name in ("meters", "aux", "large")
    }
    return {**saved, **added, "stop": False}


def _functions(hooks: Hooks, kind: str) -> list[Callable[..., Any]]:
    return [s.function for s in hooks.scheduled if s.kind == kind]
