"""Checks of the arguments of `add`: real numbers, how often they count, masks."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array, as_mask, can_be_read, over_rows
from tntjax._struct import describe

Mask = ArrayLike | None
"""Of rows that count, bool; None for all."""


def as_real(value: Any, needs: str, what: str = "") -> Any:
    """Returns an array of real numbers, or raises "`needs`, got `what` complex64[]"."""
    value = as_array(value)
    kind = value.dtype.kind in "fbiu" or is_integer(value)
    if not (kind or jnp.issubdtype(value.dtype, jnp.floating)):
        raise TypeError(f"{needs}, got {what}{describe(value)}.")
    return value


def is_integer(array: Any) -> bool:
    """True if an array holds integers, of four bits or more; a bool is not one."""
    kind = array.dtype.kind
    # NumPy counts durations, "m", among the integers.
    return kind in "iu" or (kind != "m" and jnp.issubdtype(array.dtype, jnp.integer))


def narrow(array: Any) -> Any:
    """Casts real numbers to what JAX can hold, where JAX would cut an int64 to int32.

    Integers on the host that do not fit into int32 become float32.
    """
    on_host = not isinstance(array, jax.Array)  # JAX's own fit already
    if not on_host or jax.dtypes.canonicalize_dtype(array.dtype) == array.dtype:
        return array
    least, most = np.min(array, initial=0), np.max(array, initial=0)
    if is_integer(array) and -(2**31) <= least and most < 2**31:
        return array.astype(np.int32)
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def as_floats(value: Any, dtype: Any, name: str, what: str = "numbers") -> Any:
    """Converts to a real array; a host array is cast to `dtype`."""
    value = as_real(value, f"{name} needs real {what}")
    if isinstance(value, jax.Array):
        return value
    with np.errstate(over="ignore"):
        return value.astype(dtype)  # here, since JAX would cut a large int64 to int32


def as_pair(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Converts predictions and true values to real arrays of one shape."""
    output = as_floats(output, np.float32, name)
    target = as_floats(target, np.float32, name)
    if output.shape != target.shape:
        raise ValueError(
            f"{name} needs output and target of one shape, got output"
            f" {describe(output)} and target {describe(target)}. Reshape one of them:"
            " none is repeated."
        )
    return output, target


def refuse(
    values: Any,
    is_bad: Callable[[np.ndarray], Any],
    needs: str,
    mask: Any = None,
    hint: str = "",
) -> None:
    """Raises "`needs`, got -1. `hint`" if a value that can be read at once is bad.

    Traced values, and those on an accelerator, which would have to be waited for, are
    taken as they are, and so are those where the mask, which broadcasts, is False.
    """
    seen = read_at_once(values)  # None if that would wait
    kept = np.True_ if mask is None else read_at_once(mask)
    if seen is None or kept is None:
        return
    bad = is_bad(seen) & kept  # broadcast to each other
    if bad.any():
        first = np.broadcast_to(seen, bad.shape)[bad][0]
        raise ValueError(f"{needs}, got {first}.{hint and ' ' + hint}")


def read_at_once(array: Any) -> np.ndarray | None:
    """Returns the values of an array in the memory of the host, else None."""
    if not isinstance(array, jax.Array):
        return np.asarray(array)
    if not can_be_read(array):
        return None
    on_cpu = all(device.platform == "cpu" for device in array.sharding.device_set)
    return np.asarray(array) if on_cpu else None


def refuse_nan(target: Any, name: str, mask: Any) -> None:
    """Raises a ValueError if a target that can be read at once is NaN."""
    if jnp.issubdtype(target.dtype, jnp.floating):
        hint = "To leave examples out, pass mask=."
        refuse(target, np.isnan, f"{name} needs targets that are numbers", mask, hint)


def as_rows(mask: Any, shape: tuple[int, ...], name: str) -> Any:
    """Aligns a mask with the leading axes of a shape; None stays None."""
    return None if mask is None else as_mask(mask, shape, f"{name}: mask")


def as_counts(n: Any, shape: tuple[int, ...], name: str, mask: Any = None) -> Any:
    """Converts how often each row counts to integers that broadcast to the shape.

    The mask is one of `as_rows`; where it is False `n` may be anything.
    """
    needs = f"{name} needs 0 <= n < 2**31"
    if isinstance(n, int) and not 0 <= n < 2**31:
        raise ValueError(f"{needs}, got {n}.")
    if type(n) is int and n * math.prod(shape) < 2**31:
        return np.asarray(n, np.int32)  # most are 1
    n = as_array(n)
    if not is_integer(n):
        raise TypeError(
            f"{name} needs integer n, got {describe(n)}: it says how often a value"
            " counts. To leave values out, pass mask=."
        )
    n = over_rows(n, shape, f"{name}: n")
    refuse(n, lambda n: (n < 0) | (n >= 2**31), needs, mask)
    counted, kept = read_at_once(n), np.True_ if mask is None else read_at_once(mask)
    if counted is not None and kept is not None:
        counted = np.where(kept, counted, 0)
        # each entry stands for so many
        times = math.prod(shape) // max(1, counted.size)
        if (total := int(counted.sum(dtype=np.int64)) * times) >= 2**31:
            raise ValueError(
                f"{name} needs n that sum to less than 2**31 in one add, got a sum of"
                f" {total}. Add in several parts."
            )
    return n if isinstance(n, jax.Array) else n.astype(np.int32)


def as_weighted(
    n: Any, mask: Any, shape: tuple[int, ...], name: str
) -> tuple[Any, Any]:
    """Checks `n` and `mask` of an `add`; both then broadcast to the shape."""
    mask = as_rows(mask, shape, name)
    return as_counts(n, shape, name, mask), mask


def spread_counts(weight: Any, mask: Any, shape: tuple[int, ...]) -> jax.Array:
    """Broadcasts how often each row counts to int32 of the shape, 0 where masked."""
    weight = jnp.broadcast_to(weight.astype(jnp.int32), shape)  # [...]
    return weight if mask is None else jnp.where(mask, weight, 0)
