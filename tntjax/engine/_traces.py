"""How often a step was traced, and what had changed when it was traced again."""

import contextvars
import warnings
from typing import Any

import jax
from jax.core import Tracer

from tntjax._struct import describe
from tntjax.engine._state import HOST_ONLY, State

BUDGET = 8
"""Traces in a run that are no cause for worry.

Three lengths of chunks, for full batches and for a shorter last one, and two spare.
"""

TOO_MANY = """the step was compiled {count} times in this run, and each time costs \
more than many steps. The last time the reason was
{changes}
Batches of few shapes compile few times: BatchDataset(policy="pad-last") has one. \
Functions made anew each time (a lambda in a loop) are other functions."""

_current: contextvars.ContextVar["Traces | None"] = contextvars.ContextVar(
    "tntjax_traces", default=None
)


class Traces:
    """Counts the traces of a run; past a budget it says once why there are so many.

    Args:
      budget: how many are no cause for worry.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.seen: list[dict[str, str]] = []
        self.warned: set[str] = set()
        self.fresh = False

    def call(self, function: Any, *args: Any) -> Any:
        """Calls a function; `fresh` says afterwards whether it was traced for it."""
        before, token = len(self.seen), _current.set(self)
        try:
            return function(*args)
        finally:
            _current.reset(token)
            self.fresh = len(self.seen) > before

    def note(self, arguments: dict[str, str]) -> None:
        """Takes note of a trace with these arguments."""
        self.seen.append(arguments)
        if len(self.seen) == self.budget + 1:
            changes = _changes(self.seen[:-1], arguments)
            message = TOO_MANY.format(count=len(self.seen), changes=changes)
            warnings.warn(f"tntjax: {message}", stacklevel=2)


def warn_once(message: str, **shown: str) -> None:
    """Warns once in a run of something that is known when a step is traced.

    Args:
      message: what to say; a run says it once, whatever is shown in it.
      **shown: put into the message.
    """
    traces = _current.get()
    if traces is not None:
        if message in traces.warned:
            return
        traces.warned.add(message)
    warnings.warn(f"tntjax: {message.format(**shown)}", stacklevel=2)


def note_trace(
    program: Any, heavy: dict[str, Any], light: State, chunk: Any, count: Any
) -> None:
    """Tells the run that is under way that its step is being traced."""
    traces = _current.get()
    compiled = isinstance(light.t, Tracer)  # not so under jax.disable_jit
    if traces is not None and compiled:
        traces.note(_described(program, heavy, light, chunk, count))


def _described(
    program: Any, heavy: dict[str, Any], light: State, chunk: Any, count: Any
) -> dict[str, str]:
    """Everything that a trace depends on, by name."""
    dataset = getattr(chunk, "dataset", None)  # of a chunk that is gathered compiled
    parts = {"state": light.replace(**heavy), "chunk": chunk.xs, "count": count}
    parts["dataset"] = dataset
    found = {
        f"{name}{jax.tree_util.keystr(path)}": _leaf(leaf)
        for name, part in parts.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(part)
    }
    found |= {f"state.{n}": _function(getattr(light, n)) for n in HOST_ONLY}
    for name in ("network", "criterion", "update", "accumulate"):
        found[f"the {name}"] = _function(getattr(program, name))
    structure = str(jax.tree.structure(dataset))  # whose own hash leaves functions out
    found["the dataset"] = f"{describe(dataset)} ({hash(structure):x})"
    found["the hooks"] = f"{program.hooks} ({hash(program.hooks):x})"
    return found


def _leaf(leaf: Any) -> str:
    weak = " of a Python number" if getattr(leaf, "weak_type", False) else ""
    return f"{describe(leaf)}{weak}"


def _function(value: Any) -> str:
    if not callable(value):
        return describe(value)
    return f"{describe(value)} ({hash(value):x})"


def _changes(before: list[dict[str, str]], now: dict[str, str]) -> str:
    """What differs from the most similar trace before, the last of these."""

    def differences(other: dict[str, str]) -> list[str]:
        names = sorted(other.keys() | now.keys())
        return [name for name in names if other.get(name) != now.get(name)]

    nearest = min(reversed(before), key=lambda other: len(differences(other)))
    lines = [
        f"  {name}: {nearest.get(name, 'not there')} became {now.get(name, 'nothing')}"
        for name in differences(nearest)
    ]
    return "\n".join(lines[:8]) or "  not among the arguments (another device?)"
