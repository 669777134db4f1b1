"""Training and testing: epochs, and the hooks of the host between them."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tntjax.checkpoint._leaves import MismatchError
from tntjax.engine._call import make_call
from tntjax.engine._epoch import Epoch, Run
from tntjax.engine._fire import as_carry, fire_on_host
from tntjax.engine._hooks import Hooks
from tntjax.engine._mesh import Placement
from tntjax.engine._plan import Plan
from tntjax.engine._signals import Signals
from tntjax.engine._state import State, saved_fields
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
    """

    plan: Plan
    jit: bool
    update: Any = None
    accumulate: int = 1
    placement: Placement | None = None
    load: Load | None = None


def run_training(start: list[State], hooks: Hooks, settings: Settings) -> State:
    """Trains until `max_epoch`, or until a hook sets `stop`.

    Args:
      start: a list of the State at the start, which is taken out of it.
      hooks: all hooks.
      settings: how.

    Returns:
      The State after `on_end`.
    """
    try:
        return _train(start, hooks, settings)
    finally:
        for close in _functions(hooks, "close"):
            close()


def run_test(state: State, hooks: Hooks, settings: Settings) -> State:
    """Measures all samples once.

    Args:
      state: the State at the start.
      hooks: all hooks; of the step's events three fire.
      settings: how.

    Returns:
      The State after `on_end`.
    """
    signals = Signals(terminates=False)  # never entered: Ctrl-C ends a test
    run = Run(hooks, settings.plan, settings.placement, signals)
    state = fire_on_host(hooks, "on_start", state)
    call = _call(state, hooks, settings)
    after = Epoch(state, run, call, training=False).finish()
    return fire_on_host(hooks, "on_end", after)


def _train(start: list[State], hooks: Hooks, settings: Settings) -> State:
    state, saves = start.pop(), _functions(hooks, "save")
    epoch, saved = None, None
    with Signals(terminates=bool(saves)) as signals:
        run = Run(hooks, settings.plan, settings.placement, signals)
        try:
            for prepare in _functions(hooks, "open"):
                prepare()
            state = fire_on_host(hooks, "on_start", state)
            if settings.load is not None:
                saved = _load(settings.load, state, hooks)
            if saved is None:
                for begin in _functions(hooks, "begin"):
                    begin(state)
            else:
                state = _loaded(state, saved, hooks)
            while not _is_over(state, signals):
                state = fire_on_host(hooks, "on_start_epoch", state)
                if saved and int(saved["position"]):  # this was done before
                    state = _loaded(state, saved, hooks)
                saved = None
                if state.stop:
                    break
                run.clock.lap("hooks")  # those since the last epoch's end
                epoch = Epoch(state, run, _call(state, hooks, settings), training=True)
                del state  # or its parameters would be held for the whole epoch
                state, epoch = epoch.finish(), None
                if state.stop:  # in the middle, so this epoch does not count as done
                    break
                state = state.replace(epoch=state.epoch + 1, position=np.int32(0))
                # As it would be restored, so that going on makes no difference.
                state = as_carry(fire_on_host(hooks, "on_end_epoch", state))
                for save in saves:
                    save(state)
        except KeyboardInterrupt:
            state = (state if epoch is None else epoch.now()).replace(stop=True)
            warnings.warn(_interrupted(state), RuntimeWarning, stacklevel=4)
    return fire_on_host(hooks, "on_end", state)


def _call(state: State, hooks: Hooks, settings: Settings) -> Callable[..., Any]:
    program = Program(
        network=state.network,
        criterion=state.criterion,
        update=settings.update,
        hooks=step_hooks(hooks),
        accumulate=settings.accumulate,
        placement=settings.placement,
    )
    stepwise = None if settings.plan.most_bytes is not None else False
    return make_call(program, state.training, settings.jit, stepwise)


def _functions(hooks: Hooks, kind: str) -> list[Callable[..., Any]]:
    return [s.function for s in hooks.scheduled if s.kind == kind]


def _load(load: Load, state: State, hooks: Hooks) -> dict[str, Any] | None:
    """Reads what to go on with, into the structure that the hooks have made.

    What `on_start` does not make, `on_start_epoch` may: then that is run to find out,
    and its State is dropped, as what was saved comes before it.
    """
    try:
        return load(saved_fields(as_carry(state)))
    except MismatchError as error:
        numbers = error.numbers
    state = fire_on_host(hooks, "on_start_epoch", _filled(state, numbers))
    return load(saved_fields(as_carry(state)))


def _loaded(state: State, saved: dict[str, Any], hooks: Hooks) -> State:
    state = _filled(state, saved)
    for load in _functions(hooks, "load"):
        load(state)
    return state


def _filled(state: State, saved: dict[str, Any]) -> State:
    stop = state.stop or bool(saved.get("stop", False))
    return state.replace(**{**saved, "stop": stop})


def _interrupted(state: State) -> str:
    return (
        f"training was interrupted in epoch {int(state.epoch)}, after"
        f" {int(state.t)} updates. The State of that moment is returned, with"
        " stop=True."
    )


def _is_over(state: State, signals: Signals) -> bool:
    if state.max_epoch is None:
        raise ValueError("max_epoch must be an integer, got None.")
    return state.stop or signals.terminated or int(state.epoch) >= state.max_epoch
