"""The input of a decoder, ids shifted to the right, and masks of what it sees."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_axis
from tntjax.text._ids import as_id, as_ids, as_int32


def length_mask(length: ArrayLike, size: int) -> jax.Array:
    """Returns which places of padded sequences hold something.

    Args:
      length: [...] integers, how long each is.
      size: T, static.

    Returns:
      [..., T] bool.

    Raises:
      TypeError, ValueError: if something is not integers, or `size` is negative, or
        2**31 or more.

    Example:
      >>> length_mask(jnp.array([2, 0]), 3).astype(int).tolist()
      [[1, 1, 0], [0, 0, 0]]
    """
    places = jnp.arange(check_axis("length_mask: size", size))
    return places < as_int32(length, "length_mask needs integers as length")[..., None]


def causal_mask(length: int) -> jax.Array:
    """Returns which places see which, if each sees itself and those before.

    Args:
      length: T, static.

    Returns:
      [T, T] bool, of queries (rows) and keys.

    Raises:
      ValueError: if `length` is negative, or 2**30 or more.

    Example:
      >>> causal_mask(3).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    places = jnp.arange(check_axis("causal_mask: length", length, bits=30))
    return places[:, None] >= places


def segment_mask(segment: ArrayLike, keys: ArrayLike | None = None) -> jax.Array:
    """Returns which places see which, if each sees its own segment only.

    `segment_mask(segment) & causal_mask(T)`, with an axis for the heads, `[:, None]`,
    is a `mask` of `jax.nn.dot_product_attention`.

    Args:
      segment: [..., T] integers, as `tnt.PackDataset` makes them: from 1 on, and 0 for
        padding, which sees nothing and is not seen.
      keys: [..., S] those of the keys, None for the same.

    Returns:
      [..., T, S] bool.

    Raises:
      TypeError, ValueError: if segments are not integers, or the shapes do not fit.

    Example:
      >>> segment_mask(jnp.array([1, 1, 2, 0])).astype(int).tolist()
      [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    """
    own = as_int32(segment, "segment_mask needs integers as segment")
    keys = segment if keys is None else keys
    other = as_int32(keys, "segment_mask needs integers as keys")
    fits = own.ndim and other.ndim and own.shape[:-1] == other.shape[:-1]
    needs = "segment_mask needs segment [..., T] and keys [..., S]"
    require(fits, needs, own, other)
    own, other = own[..., :, None], other[..., None, :]
    return (own == other) & (own != 0)


def shift_right(
    ids: ArrayLike, start: int = 0, *, segment: ArrayLike | None = None
) -> jax.Array:
    """Moves ids one place to the right and puts `start` in front.

    Args:
      ids: [..., T] integers.
      start: the id that a sequence begins with, which the dtype of `ids` holds.
      segment: [..., T] integers of packed rows, where each segment gets a start.

    Returns:
      [..., T] of the dtype of `ids`; the last id is gone.

    Raises:
      TypeError, ValueError: if something is not integers, or the shapes do not fit.

    Example:
      >>> shift_right(jnp.array([5, 6, 7]), segment=jnp.array([1, 1, 2])).tolist()
      [0, 5, 0]
    """
    array = as_ids(ids, "shift_right needs integers as ids")
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
