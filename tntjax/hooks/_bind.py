"""Parts of plugins: hooks that compare by value, and entries of the State."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tntjax._struct import describe
from tntjax.engine import State


@dataclasses.dataclass(frozen=True, repr=False)
class Bound:
    """A function of the State and of some values, as a function of the State.

    It compares by these values, so two plugins made alike are compiled once.

    Args:
      function: `(state, *arguments) -> State`, on the top level of a module.
      arguments: what it gets besides; hashable.
      each_member: True if it runs once for each of the members of a run, on the host.
      only_in_tests: True if it does nothing in training, whose step need not fire it.
      is_shared: True if it runs once where several plugins chain it.
      is_trusted: True if the host need not check what it returns, as it changes no more
        than entries of its own.
    """

    function: Callable[..., State]
    arguments: tuple
    each_member: bool = False
    only_in_tests: bool = False
    is_shared: bool = False
    is_trusted: bool = False

    def __call__(self, state: State) -> State:
        return self.function(state, *self.arguments)

    def __repr__(self) -> str:
        # _guard in hooks/_nan_guard.py is nan_guard.guard: which part of which plugin
        names = self.function.__module__.rpartition(".")[2], describe(self.function)
        name = ".".join(part.removeprefix("_") for part in names)
        return f"{name}({', '.join(map(describe, self.arguments))})"


def bind(function: Callable[..., State], *arguments: Any) -> Bound:
    """Returns a hook that calls the function with these arguments."""
    return Bound(function, arguments)


def bind_each(function: Callable[..., State], *arguments: Any) -> Bound:
    """Returns a hook of the host that sees one member at a time."""
    return Bound(function, arguments, each_member=True)


def trust(function: Callable[[State], State]) -> Bound:
    """Returns a hook of the host that only looks, and so is not checked."""
    return Bound(function, (), is_trusted=True)


def put(state: State, field: str, name: str, value: Any) -> State:
    """Returns the State with an entry of `aux`, `large` or `meters` set."""
    return state.replace(**{field: {**getattr(state, field), name: value}})


def claim(state: State, field: str, name: str, value: Any) -> State:
    """Makes an entry that nobody has, or raises a ValueError."""
    if name in getattr(state, field):
        raise ValueError(
            f"state.{field}[{name!r}] is there already: two plugins, or a plugin and a"
            " hook, want that name. Take out one, or give it another name."
        )
    return put(state, field, name, value)


def skip_if(state: State, condition: Any) -> State:
    """Returns the State with `skip` set if the condition holds or it was set before."""
    skip = condition if state.skip is None else state.skip | condition
    return state.replace(skip=skip)
