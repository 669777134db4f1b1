"""Zero mean and unit deviation."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from tntjax._array import as_array, namespace
from tntjax._numbers import check_number
from tntjax._struct import describe
from tntjax.transform._compose import Bound


def normalize(threshold: float = 0) -> Callable[[Any], Any]:
    """Subtracts the mean of an array and divides by its standard deviation.

    Args:
      threshold: the array is divided only if its deviation is larger than this.

    Returns:
      A function of a NumPy or JAX array of any shape, which returns a new one. Floats
      keep their dtype (half precision is computed in float32), integers and bools
      become float32. The deviation has one degree of freedom less than elements
      (ddof=1); one element is only centered. Equal for equal thresholds, and picklable.
      It raises TypeError for what isn't real numbers.

    Raises:
      ValueError: if `threshold` is negative.

    Example:
      >>> normalize()([1.0, 2.0, 3.0]).tolist()
      [-1.0, 0.0, 1.0]
      >>> normalize(threshold=2)([1.0, 2.0, 3.0]).tolist()
      [-1.0, 0.0, 1.0]

    Torchnet: `transform.normalize`, which overwrote its argument.
    """
    if not check_number("normalize: threshold", threshold) >= 0:
        raise ValueError(f"normalize needs threshold >= 0, got {threshold}.")
    return Bound(_normalize, (threshold,), f"normalize(threshold={threshold})")


def _normalize(array: Any, threshold: float) -> Any:
    array = as_array(array)
    xp = namespace(array)
    if jnp.issubdtype(array.dtype, jnp.floating):
        dtype = array.dtype
    elif array.dtype.kind in "biu":
        dtype = jnp.float32
    else:
        raise TypeError(f"normalize needs real numbers, got {describe(array)}.")
    if array.size == 0:
        return array.astype(dtype)
    # NumPy has float64 for integers that float32 would round to each other.
    wide = array.astype(xp.promote_types(array.dtype, jnp.float32))
    centered = wide - wide.mean()
    deviation = xp.sqrt((centered * centered).sum() / max(array.size - 1, 1))
    scale = xp.where(deviation > threshold, deviation, xp.ones_like(deviation))
    return (centered / scale).astype(dtype)
