"""A run: the part that stays the same from its start to its end."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from tntjax.engine._ahead import sees_settings
from tntjax.engine._call import Calls, find_calls
from tntjax.engine._hooks import Hooks
from tntjax.engine._mesh import Placement
from tntjax.engine._plan import Plan
from tntjax.engine._program import Program, step_hooks
from tntjax.engine._rescue import Saves
from tntjax.engine._signals import Signals
from tntjax.engine._state import State
from tntjax.engine._traces import Traces
from tntjax.engine._watching import Clock

Load = Callable[[dict[str, Any]], dict[str, Any] | None]
"""From the saved fields as they are at the start to those to go on with, if any."""


@dataclasses.dataclass(frozen=True)
class Run:
    """The part of a run that stays the same from one epoch to the next.

    Args:
      hooks: all hooks.
      plan: how many steps a call makes.
      jit: compile, or run step by step in Python.
      placement: where on a mesh things lie, or None.
      update: `(State, Objective) -> State`, applies `grads`; None in a test.
      accumulate: in how many pieces the gradients are computed.
      load: reads what to go on from, or None.
      goes_on: whether the run goes on from the State at the start itself.
    """

    hooks: Hooks
    plan: Plan
    jit: bool
    placement: Placement | None = None
    update: Any = None
    accumulate: int = 1
    load: Load | None = None
    goes_on: bool = False

    clock: Clock = dataclasses.field(default_factory=Clock)
    traces: Traces = dataclasses.field(default_factory=Traces)

    @functools.cached_property
    def saves(self) -> Saves:
        """Finds the hooks that save."""
        return Saves(self.hooks)

    @functools.cached_property
    def signals(self) -> Signals:
        """Makes the handler of Ctrl-C and SIGTERM."""
        return Signals(saves=bool(self.saves.scheduled))

    @functools.cached_property
    def reads_ahead(self) -> bool:
        """True if a thread may read what is on the host while calls are made.

        On a CPU a call takes no time to hand out, and all cores to make.
        """
        return self.jit and self.plan.accelerated and sees_settings()

    def calls(self, state: State) -> Calls:
        """Returns what makes the steps with the functions of a State."""
        program = Program(
            network=state.network,
            criterion=state.criterion,
            update=self.update,
            hooks=step_hooks(self.hooks),  # others may differ, and compile nothing anew
            accumulate=self.accumulate,
            placement=self.placement,
            members=state.members,
        )
        return find_calls(program, self.jit)
