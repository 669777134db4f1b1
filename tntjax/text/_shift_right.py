"""shift_right: what a decoder reads, of what it is to write."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_integers
from tntjax.text._ids import as_id, as_int32, require


def shift_right(
    ids: ArrayLike, start: int = 0, *, segment: ArrayLike | None = None
) -> jax.Array:
    """Moves ids one place to the right and puts `start` in front.

    Args:
      ids: [..., T] integers.
      start: the id that a sequence begins with, which the dtype of `ids` holds.
      segment: [..., T] integers, for rows in which several sequences are packed: each
        gets a start of its own.

    Returns:
      [..., T] of the dtype of `ids`; the last id is gone.

    Raises:
      TypeError: if something is not made of integers.
      ValueError: if the shapes differ, there is no axis, or `start` is not one id.

    Example:
      >>> shift_right(jnp.array([5, 6, 7])).tolist()
      [0, 5, 6]
      >>> shift_right(jnp.array([5, 6, 7]), segment=jnp.array([1, 1, 2])).tolist()
      [0, 5, 0]
    """
    array = jnp.asarray(check_integers(ids, "shift_right needs integers as ids"))
    require(array.ndim, "shift_right needs ids [..., T]", array)
    begin = as_id(start, array.dtype, "shift_right: start")
    first = jnp.full_like(array[..., :1], begin)
    shifted = jnp.concatenate([first, array[..., :-1]], axis=-1)
    if segment is None:
        return shifted
    number = as_int32(segment, "shift_right needs integers as segment")
    needs = f"shift_right needs segment of the shape {list(array.shape)} of ids"
    require(number.shape == array.shape, needs, number)
    goes_on = number[..., 1:] == number[..., :-1]  # [..., T - 1]
    return shifted.at[..., 1:].set(jnp.where(goes_on, array[..., :-1], begin))
