"""How a meter shows itself: by what it has measured, where that can be read."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np

from tntjax._struct import describe


def show(meter: Any, measured: Callable[[Any], dict[str, Any]]) -> str:
    """Returns `Name(measured=...)`, or the fields if they cannot be read.

    Args:
      meter: a meter, which may be traced, donated, abstract, stacked by `vmap`, or
        hold None, as whatever JAX builds from a pytree may.
      measured: given the meter on the host, what to show; called only if every leaf
        can be read and `n`, which every meter has, is a single number.

    Returns:
      One line without an address.
    """
    name = type(meter).__name__
    leaves = jax.tree.leaves(meter, is_leaf=lambda leaf: leaf is None)
    if all(map(_readable, leaves)) and np.ndim(jax.tree.leaves(meter.n)[0]) == 0:
        shown = measured(jax.tree.map(np.asarray, meter))
        return f"{name}({', '.join(f'{key}={value}' for key, value in shown.items())})"
    fields = ", ".join(
        f"{field.name}={describe(getattr(meter, field.name))}"
        for field in dataclasses.fields(meter)
    )
    return f"{name}({fields})"


def in_percent(percentage: Any) -> str:
    """Returns a percentage as text with its sign, which fractions do not have."""
    return f"{percentage:.6g}%"


def _readable(leaf: Any) -> bool:
    if isinstance(leaf, jax.Array):
        return (
            not isinstance(leaf, jax.core.Tracer)
            and leaf.is_fully_addressable
            and not leaf.is_deleted()
        )
    return isinstance(leaf, np.ndarray | np.generic)
