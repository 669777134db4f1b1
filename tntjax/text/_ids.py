"""Checks of ids, of logits and of texts."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from tntjax._array import as_array, can_be_read
from tntjax._check import require
from tntjax._numbers import check_integers, find_outside
from tntjax._struct import describe


def is_ordered(values: Any) -> bool:
    """True if something has entries in an order, as a list has; a text is one thing."""
    others = str | bytes | set | frozenset | Mapping | Tracer
    has_axis = getattr(values, "ndim", 1) > 0
    return has_axis and isinstance(values, Iterable) and not isinstance(values, others)


def check_text(text: Any, subject: str) -> str:
    """Returns a text, or raises a TypeError if it is not a str."""
    if not isinstance(text, str):
        raise TypeError(f"{subject} needs a text, a str, got {describe(text)}.")
    return text


def as_tokens(tokens: Any, subject: str) -> list[str]:
    """Returns tokens of Python's own str, or raises a TypeError."""
    needs = f"{subject} needs a list of tokens"
    require(is_ordered(tokens), needs, tokens, error=TypeError)
    return [str(check_text(token, f"{subject}: a token")) for token in tokens]


def as_bytes(text: Any, subject: str) -> bytes:
    """Returns a text in UTF-8, or raises an error if it is none or can't be so."""
    try:
        return check_text(text, subject).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{subject} needs text that UTF-8 has, without halves of surrogate pairs:"
            f" {error}. Write text.encode('utf-8', 'replace').decode()."
        ) from None


def read_ids(ids: Any, size: int, subject: str) -> list[int]:
    """Returns ids [T] below `size`, which are not traced, as Python's integers."""
    needs = f"{subject} needs a list of integers"
    require(is_ordered(ids), needs, ids, error=TypeError)
    ids = ids if isinstance(ids, jax.Array | np.ndarray) else list(ids)
    array = check_integers(ids, needs)
    require(array.ndim == 1, f"{needs} with one axis", array)
    wrong = find_outside(array, size)
    if wrong is not None:
        raise ValueError(f"{subject} has {size} ids, numbered from 0; got {wrong}.")
    return array.tolist()


def as_id(value: Any, dtype: Any, subject: str) -> jax.Array:
    """Converts an id, which may be traced, to a dtype that must hold it."""
    number = check_integers(value, f"{subject} must be an integer")
    limits, fits = jnp.iinfo(dtype), not number.ndim
    if fits and can_be_read(number):
        fits = limits.min <= int(number) <= limits.max
    require(fits, f"{subject} must be one id of {limits.dtype}", value)
    return jnp.asarray(number).astype(dtype)


def as_ids(values: Any, subject: str, dtype: Any = None) -> jax.Array:
    """Converts integers to a dtype of JAX, None for their own, which must hold them."""
    array = check_integers(values, subject)
    own = np.int64 if array.dtype == object else array.dtype
    wanted = np.dtype(dtype or jax.dtypes.canonicalize_dtype(own))
    limits = jnp.iinfo(wanted)
    if isinstance(array, np.ndarray) and array.size:  # JAX would wrap
        for number in map(int, (array.min(), array.max())):
            fits = limits.min <= number <= limits.max
            require(fits, f"{subject} that fit {wanted}", number)
    return jnp.asarray(array).astype(wanted)


as_int32 = functools.partial(as_ids, dtype=jnp.int32)


def as_logits(values: Any, subject: str) -> jax.Array:
    """Converts floats to an array of JAX, or raises a TypeError."""
    array = as_array(values)
    floats = jnp.issubdtype(array.dtype, jnp.floating)
    require(floats, f"{subject} needs float logits", array, error=TypeError)
    return jnp.asarray(array)


def as_lengths(
    lengths: Any, shape: tuple[int, ...], name: str, given: str = "lengths"
) -> jax.Array:
    """Converts lengths to int32 from 0 to T of rows [..., T]; None is T for each."""
    batch, size = shape[:-1], shape[-1]
    if lengths is None:
        return jnp.full(batch, size, jnp.int32)
    lengths = as_integers(lengths, f"{name}: {given}")
    needs = f"{name} needs {given} of shape {list(batch)}, one for each row"
    require(lengths.shape == batch, needs, lengths)
    return jnp.asarray(lengths.clip(0, size), jnp.int32)


def as_integers(values: Any, subject: str) -> Any:
    """Converts to int64 on the host, where no number overflows, or to JAX's int32."""
    advice = "needs integers (of a mask, mask.sum(-1))"
    array = check_integers(values, f"{subject} {advice}")
    return array.astype(jnp.int32 if isinstance(array, jax.Array) else np.int64)
