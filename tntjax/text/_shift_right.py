"""shift_right: what a decoder reads, of what it is to write."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._struct import describe


def shift_right(
    ids: ArrayLike, start: int = 0, *, segment: ArrayLike | None = None
) -> jax.Array:
    """Moves ids one place to the right and puts `start` in front.

    Args:
      ids: [..., T] integers.
      start: the id that a sequence begins with.
      segment: [..., T] integers, for rows in which several sequences are packed: each
        gets a start of its own.

    Returns:
      [..., T] of the dtype of `ids`; the last id is gone.

    Raises:
      ValueError: if the shapes differ or there is no axis.

    Example:
      >>> shift_right(jnp.array([5, 6, 7])).tolist()
      [0, 5, 6]
      >>> shift_right(jnp.array([5, 6, 7]), segment=jnp.array([1, 1, 2])).tolist()
      [0, 5, 0]
    """
    array = jnp.asarray(ids)
    if not array.ndim:
        raise ValueError(f"shift_right needs ids [..., T], got {describe(array)}.")
    first = jnp.full_like(array[..., :1], start)
    shifted = jnp.concatenate([first, array[..., :-1]], axis=-1)
    if segment is None:
        return shifted
    number = jnp.asarray(segment)
    if number.shape != array.shape:
        raise ValueError(
            f"shift_right needs segment of the shape {list(array.shape)} of ids, got"
            f" {describe(number)}."
        )
    begins = number[..., 1:] != number[..., :-1]  # [..., T - 1]
    begins = jnp.concatenate([jnp.ones_like(begins, shape=first.shape), begins], -1)
    return jnp.where(begins, jnp.asarray(start, array.dtype), shifted)
