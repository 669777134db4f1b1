"""Counts the traces of a step, and compares each with those before."""

import warnings
from typing import Any

import jax

from tntjax._struct import describe
from tntjax.engine._snapshot import take_snapshot
from tntjax.engine._state import State

LENGTHS, SPARE = 3, 2
"""Lengths of chunks, each of which a shape of batches may be compiled for; and more."""

BUDGET = 2 * LENGTHS + SPARE
"""Traces in a run that are no cause for worry: for full batches, and a shorter last."""

TOO_MANY = """the step was compiled {count} times in this run, and each time costs \
more than many steps. The last time the reason was
{changes}
Batches of few shapes compile few times: BatchDataset(policy="pad-last") has one, \
BucketDataset some and tells them. \
Functions made anew each time (a lambda in a loop) are other functions."""


class Traces:
    """Counts the traces of a run; past a budget it says once why there are so many.

    Args:
      budget: how many are no cause for worry.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._seen: list[dict[str, str]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, trace: dict[str, str], iterator: Any = None) -> None:
        """Counts a trace; an iterator whose `shapes` are known may have one for each.

        It is asked when there are too many for others, as its dataset may have to be
        made for that.
        """
        self._seen.append(trace)
        if len(self._seen) == self._budget + 1:
            stated = getattr(iterator, "shapes", ())
            if isinstance(stated, tuple):  # a user's may mean something else
                self._budget = max(self._budget, LENGTHS * len(stated) + SPARE)
        # Still: the warning is given once.
        if len(self._seen) == self._budget + 1:
            changes = _find_changes(self._seen[:-1], trace)
            message = TOO_MANY.format(count=len(self._seen), changes=changes)
            warnings.warn(f"tntjax: {message}", stacklevel=2)


def describe_trace(program: Any, state: State, chunk: Any) -> dict[str, str]:
    """Describes by name everything that a trace depends on."""
    dataset = getattr(chunk.chunk, "dataset", None)  # one that is gathered compiled
    parts = {"state": state, "chunk": chunk.xs, "count": chunk.count}
    parts["dataset"] = dataset
    found = {
        f"{name}{jax.tree_util.keystr(path)}": _describe_leaf(leaf)
        for name, part in parts.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(part)
    }
    for name in ("network", "criterion", "update", "accumulate"):
        found[f"the {name}"] = _describe_function(getattr(program, name))
    structure = str(jax.tree.structure(dataset))  # whose own hash leaves functions out
    found["the dataset"] = f"{describe(dataset)} ({hash(structure):x})"
    found["the hooks"] = f"{program.hooks} ({hash(take_snapshot(program.hooks)):x})"
    return found


def _describe_leaf(leaf: Any) -> str:
    weak = " of a Python number" if getattr(leaf, "weak_type", False) else ""
    return f"{describe(leaf)}{weak}"


def _describe_function(value: Any) -> str:
    if not callable(value):
        return describe(value)
    # Two functions may have one name, as lambdas have.
    return f"{describe(value)} ({hash(take_snapshot(value)):x})"


def _find_changes(before: list[dict[str, str]], now: dict[str, str]) -> str:
    """Finds what differs from the most similar trace before, the last of these."""

    def differences(other: dict[str, str]) -> list[str]:
        names = sorted(other.keys() | now.keys())
        return [name for name in names if other.get(name) != now.get(name)]

    # Of several as similar, min takes the first: the last trace.
    nearest = min(reversed(before), key=lambda other: len(differences(other)))
    lines = [
        f"  {name}: {nearest.get(name, 'not there')} became {now.get(name, 'nothing')}"
        for name in differences(nearest)
    ]
    return "\n".join(lines[:8]) or "  not among the arguments (another device?)"
