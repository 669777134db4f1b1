"""What the meters ask of their arguments, with errors that say what to do."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax.utils import as_array, as_mask, check_integer, over_rows


def as_real(value: Any, needs: str, what: str = "") -> Any:
    """Returns an array of real numbers, or raises "`needs`, got `what` complex64[]"."""
    value = as_array(value)
    if not (jnp.issubdtype(value.dtype, jnp.floating) or value.dtype.kind in "biu"):
        raise TypeError(f"{needs}, got {what}{describe(value)}.")
    return value


def as_floats(value: Any, dtype: Any, name: str) -> Any:
    """Returns real numbers as an array, one that lies on the host in the dtype."""
    value = as_real(value, f"{name} needs real numbers")
    if isinstance(value, jax.Array):
        return value
    with np.errstate(over="ignore"):
        return value.astype(dtype)  # here, since JAX would cut a large int64 to int32


def as_counts(n: Any, shape: tuple[int, ...], name: str) -> Any:
    """Returns how often each row counts, an integer array that fits the shape."""
    if isinstance(n, int) and not 0 <= n < 2**31:
        raise ValueError(f"{name} needs 0 <= n < 2**31, got {n}.")
    n = as_array(n)
    if n.dtype.kind not in "iu":
        raise TypeError(
            f"{name} needs integer n, got {describe(n)}: it says how often a value"
            " counts. To leave values out, pass mask=."
        )
    return over_rows(n, shape, f"{name}: n")


def as_rows(mask: Any, shape: tuple[int, ...], name: str) -> Any:
    """Returns a mask that broadcasts to the shape, or None for None."""
    return None if mask is None else as_mask(mask, shape, f"{name}: mask")


def as_pair(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Returns predictions and true values, float or integer, of one shape."""
    output = as_floats(output, np.float32, name)
    target = as_floats(target, np.float32, name)
    if output.shape != target.shape:
        raise ValueError(
            f"{name} needs output and target of one shape, got output"
            f" {describe(output)} and target {describe(target)}. Reshape one of them:"
            " none is repeated."
        )
    return output, target


def as_classes(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Returns scores [..., K] and class numbers [...], if they are that."""
    output = as_real(output, f"{name} needs real scores", "output ")
    target = as_array(target)
    rows = output.shape[:-1]
    if output.ndim == 0 or target.shape not in (rows, (*rows, 1)):
        hint = "Give output a row of scores for each target."
        if output.ndim > 0 and target.shape == output.shape:
            hint = "If target is one-hot, pass target.argmax(-1)."
        raise ValueError(
            f"{name} needs output [B, K], a score for each class, and target [B],"
            f" class numbers; got output {describe(output)} and target"
            f" {describe(target)}. {hint}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(
            f"{name} needs integer class numbers, got target {describe(target)}. Pass"
            " target.astype('int32') if they are whole."
        )
    return output, target if target.shape == rows else target.reshape(rows)


def check_mate(meter: Any, other: Any) -> None:
    """Raises unless another meter is of the same class and arguments."""
    name = type(meter).__name__
    if not isinstance(other, type(meter)):
        raise TypeError(
            f"{name}.merge needs another {name}, got {describe(other)}. To count"
            " something in, use add."
        )
    names = [f.name for f in dataclasses.fields(meter) if f.metadata.get("static")]
    mine, others = (tuple(getattr(m, name) for name in names) for m in (meter, other))
    if mine != others:
        raise ValueError(
            f"{name}.merge needs two meters with the same ({', '.join(names)}), got"
            f" {mine} and {others}."
        )


def best_class(output: jax.Array) -> jax.Array:
    """Returns the class that is scored best, int32 [...]; -1 beside a NaN.

    Of equal scores the first is the best.
    """
    # On a CPU XLA finds maxima several times as fast as their places. So it's first the
    # best of a few neighbours, then their place; and there a maximum may miss a NaN.
    *rows, classes = output.shape
    width = math.gcd(classes, 8)
    parts = output.reshape(*rows, classes // width, width)
    part = jnp.argmax(parts.max(-1), -1)[..., None]
    scores = jnp.take_along_axis(parts, part[..., None], -2)[..., 0, :]
    best = part[..., 0] * width + jnp.argmax(scores, -1)
    return jnp.where((output != output).any(-1), -1, best).astype(jnp.int32)


CONVENTIONS = ("standard", "torchnet")


def check_convention(meter: Any) -> None:
    """Raises unless `meter.convention` is one of the two."""
    if meter.convention not in CONVENTIONS:
        raise ValueError(
            f"{type(meter).__name__} needs convention to be 'standard' or 'torchnet',"
            f" got {describe(meter.convention)}."
        )


def check_size(size: Any, subject: str) -> int:
    """Returns a Python int >= 1; `subject` needs it."""
    size = check_integer(size, f"{subject} to be an integer")
    if size < 1:
        raise ValueError(f"{subject} >= 1, got {size}.")
    return size
