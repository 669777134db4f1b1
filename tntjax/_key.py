"""Checks of PRNG keys."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp

from tntjax._struct import describe


def check_key(key: Any, name: str) -> jax.Array:
    """Returns a single PRNG key, typed or raw, or raises a TypeError."""
    if as_keys(key, name).ndim:
        raise TypeError(
            f"{name} must be one PRNG key, got {describe(key)}. Write key=keys[0]."
        )
    return key


def as_keys(keys: Any, name: str) -> jax.Array:
    """Returns PRNG keys of any shape as typed ones, or raises a TypeError."""
    typed = keys
    if getattr(keys, "dtype", None) == "uint32":  # a raw one is a row of numbers
        with contextlib.suppress(TypeError, ValueError):  # or of too few, too many
            typed = jax.random.wrap_key_data(jnp.asarray(keys))
    kind = getattr(typed, "dtype", None)
    if kind is None or not jnp.issubdtype(kind, jax.dtypes.prng_key):
        seed = keys if isinstance(keys, int) else "0"
        raise TypeError(
            f"{name} must be a PRNG key, got {describe(keys)}. Write"
            f" key=jax.random.key({seed})."
        )
    return typed
