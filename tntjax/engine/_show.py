"""The text of a State: on one screen, whatever it holds."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._struct import describe, shorten

COLUMNS = 100
LINES = 5
"""Meters, or entries of `aux`, that are shown."""

COUNTED = ("epoch", "t", "position", "samples", "max_epoch", "max_steps")
TREES = ("params", "opt_state", "model_state", "criterion_params", "large")
IN_STEP = ("sample", "output", "loss", "grad_output", "grads", "criterion_grads")
ON_HOST = ("network", "criterion", "iterator")


def show_state(state: Any) -> str:
    """Shows numbers, what meters measured, and shapes of the rest, on 24 lines."""
    lines = [_fields(state, COUNTED), _fields(state, ("lr", "lr_criterion"))]
    flags = [name for name in ("training", "stop") if getattr(state, name)]
    lines[0] += "".join(f", {name}" for name in flags)
    lines += [_tree(name, getattr(state, name)) for name in TREES]
    lines += _entries("meters", state.meters, repr)
    lines += _entries("aux", state.aux, _value)
    for names in (IN_STEP, ON_HOST):
        shown = [n for n in names if getattr(state, n) is not None]
        lines.append(", ".join(f"{n}={describe(getattr(state, n))}" for n in shown))
    return "\n".join(["State", *(shorten(f"  {x}", COLUMNS) for x in lines if x)])


def _fields(state: Any, names: tuple[str, ...]) -> str:
    values = {name: getattr(state, name) for name in names}
    return ", ".join(f"{n}={_value(v)}" for n, v in values.items() if v is not None)


def _tree(name: str, tree: Any) -> str:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]
    if not leaves:
        return f"{name}: {describe(tree)}" if tree else ""
    size = sum(np.prod(leaf.shape, dtype=int) for leaf in leaves)  # np.prod(()) is 1.0
    return f"{name}: {size:,} numbers in {len(leaves)} arrays, {describe(tree)}"


def _entries(name: str, entries: Any, shown: Callable[[Any], str]) -> list[str]:
    if not isinstance(entries, dict):  # a hook's mistake, which is to be seen
        return [f"{name}: {describe(entries)}"]
    first = itertools.islice(entries.items(), LINES)
    lines = [f"{name}[{key!r}]: {shown(entry)}" for key, entry in first]
    left = len(entries) - LINES
    return lines + [f"{name}: {left} more"] * (left > 0)


def _value(value: Any) -> str:
    """Shows a number, where it can be read, and else what the value is."""
    if getattr(value, "shape", None) == () and _is_there(value):
        kinds = (np.number, np.bool_)
        # jnp's, for which bfloat16 is a number and a key is not.
        if any(jnp.issubdtype(value.dtype, kind) for kind in kinds):
            return str(np.asarray(value))
    return describe(value)


def _is_there(value: Any) -> bool:
    if not isinstance(value, jax.Array):
        return True
    return not (isinstance(value, Tracer) or value.is_deleted())  # donated
