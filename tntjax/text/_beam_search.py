"""beam_search: the likely continuations, not just the next likely token."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._numbers import check_at_least, check_integers, check_number
from tntjax._struct import describe

Step = Callable[[Any, jax.Array], tuple[jax.Array, Any]]


class Beams(NamedTuple):
    """Continuations, the best first; `W` is the width and `L` the most tokens.

    Args:
      ids: [B, W, L] int32, the `end` repeated behind the first.
      score: [B, W] float32, the sum of log probabilities, by the length's penalty;
        -inf where there are fewer continuations than W.
      length: [B, W] int32, how many tokens, the first `end` included.
    """

    ids: jax.Array
    score: jax.Array
    length: jax.Array


class _Search(NamedTuple):
    number: jax.Array  # [] how many tokens there are
    beams: Beams
    total: jax.Array  # [B, W] sums of log probabilities
    last: jax.Array  # [B, W] the last token
    ended: jax.Array  # [B, W] bool
    state: Any  # leaves [B * W, ...]


def beam_search(
    step: Step,
    state: Any,
    start: ArrayLike,
    *,
    width: int,
    length: int,
    end: int,
    penalty: float = 0.0,
) -> Beams:
    """Finds likely continuations, keeping the best few after each token.

    Args:
      step: `(state, ids [B * W]) -> (logits [B * W, V], state)`; what it returns has
        the structure, shapes and dtypes of what it got.
      state: what the step carries, such as the cache of a decoder: a pytree of arrays
        [B, ...]. Each row is repeated W times.
      start: [B] integers, the first input of each row.
      width: W, how many continuations to keep, static.
      length: L, the most tokens of one, static. The search ends before if all have.
      end: the id that ends a continuation.
      penalty: how much a longer one is preferred: scores are divided by
        ((5 + tokens) / 6) ** penalty, 0 for plain sums.

    Returns:
      The continuations of each row.

    Raises:
      TypeError: if `start` is not integers or a number not one.
      ValueError: if `start` is not [B], or `width` or `length` below 1.

    Example:
      >>> after = [[0.0, 0.6, 0.4], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]
      >>> table = jnp.log(jnp.array(after))
      >>> def step(state, ids):  # the next token depends on the last one alone
      ...     return table[ids], state
      >>> beams = beam_search(step, (), jnp.array([0]), width=2, length=3, end=0)
      >>> beams.ids[0].tolist(), [round(float(x), 2) for x in jnp.exp(beams.score[0])]
      ([[2, 0, 0], [1, 0, 0]], [0.36, 0.3])

    The penalty is that of Wu et al., "Google's Neural Machine Translation System".
    """
    first = jnp.asarray(check_integers(start, "beam_search needs integers as start"))
    if first.ndim != 1:
        raise ValueError(
            f"beam_search needs start of shape [B], got {describe(first)}."
        )
    check_at_least("beam_search: width", width, 1)
    check_at_least("beam_search: length", length, 1)
    check_number("beam_search: penalty", penalty)
    rows = len(first)
    alone = jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf)  # all begin alike
    search = _Search(
        number=jnp.zeros((), jnp.int32),
        beams=Beams(
            jnp.full((rows, width, length), end, jnp.int32),
            jnp.full((rows, width), -jnp.inf, jnp.float32),
            jnp.zeros((rows, width), jnp.int32),
        ),
        total=jnp.broadcast_to(alone.astype(jnp.float32), (rows, width)),
        last=jnp.broadcast_to(first[:, None].astype(jnp.int32), (rows, width)),
        ended=jnp.zeros((rows, width), bool),
        state=jax.tree.map(lambda a: jnp.repeat(jnp.asarray(a), width, axis=0), state),
    )

    def goes_on(search: _Search) -> jax.Array:
        return (search.number < length) & ~search.ended.all()

    def go_on(search: _Search) -> _Search:
        return _add_token(search, step, end, penalty)

    return jax.lax.while_loop(goes_on, go_on, search).beams


def _add_token(search: _Search, step: Step, end: int, penalty: float) -> _Search:
    """Adds a token to each continuation that has not ended, and keeps the best."""
    rows, width = search.last.shape
    logits, state = step(search.state, search.last.reshape(-1))
    logs = jax.nn.log_softmax(logits.astype(jnp.float32)).reshape(rows, width, -1)
    size = logs.shape[-1]
    stays = jnp.where(jnp.arange(size) == end, 0.0, -jnp.inf)  # one way to stay ended
    totals = search.total[..., None] + jnp.where(search.ended[..., None], stays, logs)
    counts = search.beams.length + ~search.ended  # [B, W]
    scores = totals / (((5 + counts) / 6) ** penalty)[..., None]  # [B, W, V]
    best, places = jax.lax.top_k(scores.reshape(rows, -1), width)  # [B, W]
    parent, token = places // size, (places % size).astype(jnp.int32)

    def inherit(array: jax.Array) -> jax.Array:
        index = parent.reshape(rows, width, *[1] * (array.ndim - 2))
        return jnp.take_along_axis(array, index, axis=1)

    def inherit_state(leaf: jax.Array) -> jax.Array:
        return inherit(leaf.reshape(rows, width, *leaf.shape[1:])).reshape(leaf.shape)

    ids = inherit(search.beams.ids).at[:, :, search.number].set(token)
    return _Search(
        number=search.number + 1,
        beams=Beams(ids, best, inherit(counts)),
        total=jnp.take_along_axis(totals.reshape(rows, -1), places, axis=1),
        last=token,
        ended=inherit(search.ended) | (token == end),
        state=jax.tree.map(inherit_state, state),
    )
