"""sample: draws the next token."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._key import check_key
from tntjax._numbers import check_at_least, check_number
from tntjax.text._ids import as_logits


def sample(
    key: jax.Array,
    logits: ArrayLike,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> jax.Array:
    """Draws an id for each row of logits, from the likely ones if so wanted.

    The logits are divided by the temperature; then the `top_k` best are kept, and of
    these the fewest whose probabilities, among themselves, make `top_p`. Among equal
    ones the lower id is kept. Each row draws from a key of its own.

    Args:
      key: one key, which is consumed.
      logits: [..., V] float; -inf for what must not be drawn.
      temperature: finite; 0 for the best id always.
      top_k: how many ids to draw from at most.
      top_p: a probability, above 0.

    Returns:
      [...] int32; -1, which no vocabulary has, where nothing can be drawn: of a row
      that is -inf throughout, or has a NaN.

    Raises:
      TypeError, ValueError: if something is not a number, or out of its range.

    Example:
      >>> logits = jnp.log(jnp.array([[0.1, 0.6, 0.3]]))
      >>> sample(jax.random.key(0), logits, top_p=0.5).tolist()
      [1]

    Nucleus sampling: Holtzman et al., "The Curious Case of Neural Text Degeneration".
    """
    check_key(key, "sample: key")
    scores = as_logits(logits, "sample")
    some = scores.ndim and scores.shape[-1]
    require(some, "sample needs logits [..., V], V > 0", scores)
    warmth = check_number("sample: temperature", temperature)
    require(0 <= warmth < math.inf, "sample needs temperature >= 0, finite", warmth)
    share = 1.0 if top_p is None else check_number("sample: top_p", top_p)
    require(0 < share <= 1, "sample needs 0 < top_p <= 1", share)
    *rows, size = scores.shape
    most = size if top_k is None else check_at_least("sample: top_k", top_k, 1)
    best = scores.max(-1, keepdims=True)  # [..., 1], NaN if there is one
    some = best[..., 0] > -jnp.inf
    if warmth < jnp.finfo(jnp.float32).tiny:
        return jnp.where(some, scores.argmax(-1).astype(jnp.int32), -1)
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    # Relative to the best, which a small temperature must not overflow.
    scores = (scores - jnp.where(jnp.isfinite(best), best, 0)) / warmth
    order = jnp.argsort(-scores, axis=-1, stable=True)  # [..., V] best first
    scores = jnp.take_along_axis(scores, order, axis=-1)
    scores = jnp.where(jnp.arange(size) < min(most, size), scores, -jnp.inf)
    if share < 1:  # else rounding of the sum would leave out the last
        likely = jax.nn.softmax(scores)
        before = jnp.cumsum(likely, axis=-1) - likely
        scores = jnp.where((before < share) | (jnp.arange(size) == 0), scores, -jnp.inf)
    keys = jax.random.split(key, math.prod(rows))
    drawn = jax.vmap(jax.random.categorical)(keys, scores.reshape(len(keys), size))
    places = drawn.reshape(*rows, 1)
    ids = jnp.take_along_axis(order, places, axis=-1)[..., 0].astype(jnp.int32)
    return jnp.where(some, ids, -1)
