"""Checks of PRNG keys."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe


def check_key(key: Any, name: str) -> jax.Array:
    """Returns one PRNG key, typed or raw, or raises a TypeError.

    Args:
      key: what should be one.
      name: the argument, for the error.

    Returns:
      The key.

    Raises:
      TypeError: if it is something else, or several keys.

    Example:
      >>> check_key(3, "key")
      Traceback (most recent call last):
      ...
      TypeError: key must be a PRNG key, got 3. Write key=jax.random.key(3).
    """
    typed = key
    if getattr(key, "dtype", None) == "uint32":  # a raw one is a row of numbers
        with contextlib.suppress(TypeError, ValueError):  # or of too few, too many
            typed = jax.random.wrap_key_data(jnp.asarray(key))
    kind = getattr(typed, "dtype", None)
    if kind is None or not jnp.issubdtype(kind, jax.dtypes.prng_key):
        seed = key if isinstance(key, int) else "0"
        raise TypeError(
            f"{name} must be a PRNG key, got {describe(key)}. Write"
            f" key=jax.random.key({seed})."
        )
    if typed.ndim:
        raise TypeError(
            f"{name} must be one PRNG key, got {describe(key)}. Write key=keys[0]."
        )
    return key
