"""How a meter is read: on the host, unless it is traced."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.core
import numpy as np

from tntjax.utils import as_plain

AnyMeter = TypeVar("AnyMeter")
Value = TypeVar("Value")


def read(meter: AnyMeter, measure: Callable[[AnyMeter], Value]) -> Value:
    """Returns what a meter has measured, in Python numbers and NumPy arrays.

    It is computed on the host, where counts have 64 bits, after one transfer. In
    compiled code, where a value is a tracer, it is computed there and stays traced, so
    gradients pass through.

    Args:
      meter: a meter, or a stack of meters by `vmap`.
      measure: `meter -> value`, which is given the meter on the host or traced.

    Returns:
      The value: numbers, NumPy arrays for those with axes, or what is traced.
    """
    if is_traced(meter):
        return measure(meter)
    with np.errstate(all="ignore"):  # NaN and infinity are values like others
        return as_plain(measure(jax.device_get(meter)))


def is_traced(tree: Any) -> bool:
    """True if a leaf of the tree is a tracer."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))
