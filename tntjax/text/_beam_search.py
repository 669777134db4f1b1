"""beam_search: the likely continuations, not just the next likely token."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import check_function, require
from tntjax._numbers import check_axis, check_number
from tntjax._struct import describe
from tntjax.text._ids import as_id, as_int32

Step = Callable[[Any, jax.Array], tuple[jax.Array, Any]]


class Beams(NamedTuple):
    """Continuations, the best first; `W` is the width and `L` the most tokens.

    Args:
      ids: [B, W, L] int32, the `end` repeated behind the first.
      score: [B, W] float32, the sum of log probabilities by the penalty, best first;
        -inf where there are fewer continuations than W, which are empty.
      length: [B, W] int32, how many tokens, the first `end` included.
    """

    ids: jax.Array
    score: jax.Array
    length: jax.Array


class _Search(NamedTuple):
    beams: Beams
    number: jax.Array  # [] how many tokens there are
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
      step: `(state, ids [B * W]) -> (logits [B * W, V], state)`, a state of the same
        structure, shapes and dtypes. A continuation is given up of which all logits are
        -inf, or one is NaN.
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
      TypeError: if `start` or a number is something else, or what the step returns.
      ValueError: if a leading axis is another, or `width` or `length` is below 1
        or not below 2**31.

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
    check_function(step, "beam_search needs a function as step, but it")
    first = as_int32(start, "beam_search needs integers as start")
    require(first.ndim == 1, "beam_search needs start of shape [B]", first)
    rows = len(first)
    width = check_axis("beam_search: width", width, 1)
    length = check_axis("beam_search: length", length, 1)
    finite = math.isfinite(check_number("beam_search: penalty", penalty))
    require(finite, "beam_search needs a finite penalty", penalty)
    last = as_id(end, jnp.int32, "beam_search: end")
    state = jax.tree.map(jnp.asarray, state)
    for leaf in jax.tree.leaves(state):
        needs = f"beam_search needs a state with leaves [B, ...], B = {rows}"
        require(leaf.shape[:1] == (rows,), needs, leaf)
    alone = jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf)  # all begin alike
    search = _Search(
        beams=Beams(
            jnp.full((rows, width, length), last),
            jnp.full((rows, width), -jnp.inf, jnp.float32),
            jnp.zeros((rows, width), jnp.int32),
        ),
        number=jnp.zeros((), jnp.int32),
        total=jnp.broadcast_to(alone.astype(jnp.float32), (rows, width)),
        last=jnp.broadcast_to(first[:, None], (rows, width)),
        ended=jnp.zeros((rows, width), bool),
        state=jax.tree.map(lambda leaf: jnp.repeat(leaf, width, axis=0), state),
    )
    beams = jax.lax.while_loop(
        lambda search: (search.number < length) & ~search.ended.all(),
        lambda search: _add_token(search, step, last, penalty),
        search,
    ).beams
    there = beams.score > -jnp.inf
    ids = jnp.where(there[..., None], beams.ids, last)
    return Beams(ids, beams.score, jnp.where(there, beams.length, 0))


def _add_token(search: _Search, step: Step, end: jax.Array, penalty: float) -> _Search:
    """Adds a token to each continuation that has not ended, and keeps the best."""
    rows, width = search.last.shape
    logits, state = _take_step(step, search)
    size = logits.shape[-1]
    logs = jax.nn.log_softmax(logits.astype(jnp.float32))
    logs = jnp.where(jnp.isnan(logs), -jnp.inf, logs).reshape(rows, width, size)
    stays = jnp.where(jnp.arange(size) == end, 0.0, -jnp.inf)  # one way to stay ended
    totals = search.total[..., None] + jnp.where(search.ended[..., None], stays, logs)
    counts = search.beams.length + ~search.ended  # [B, W]
    scores = totals / (((5 + counts) / 6) ** penalty)[..., None]  # [B, W, V]
    best, places = jax.lax.top_k(scores.reshape(rows, width * size), width)  # [B, W]
    parent, token = places // size, (places % size).astype(jnp.int32)

    def inherit(array: jax.Array) -> jax.Array:
        index = parent.reshape(rows, width, *[1] * (array.ndim - 2))
        return jnp.take_along_axis(array, index, axis=1)

    def inherit_state(leaf: jax.Array) -> jax.Array:
        return inherit(leaf.reshape(rows, width, *leaf.shape[1:])).reshape(leaf.shape)

    ids = inherit(search.beams.ids).at[:, :, search.number].set(token)
    return _Search(
        beams=Beams(ids, best, inherit(counts)),
        number=search.number + 1,
        total=jnp.take_along_axis(totals.reshape(rows, width * size), places, axis=1),
        last=token,
        ended=inherit(search.ended) | (token == end),
        state=jax.tree.map(inherit_state, state),
    )


def _take_step(step: Step, search: _Search) -> tuple[jax.Array, Any]:
    """Returns logits [B * W, V] and the state, or raises if they are something else."""
    ids = search.last.reshape(-1)
    returned = step(search.state, ids)
    pair = isinstance(returned, tuple) and len(returned) == 2
    needs = "beam_search needs a step that returns (logits, state)"
    require(pair, needs, returned, error=TypeError)
    logits, state = as_array(returned[0]), jax.tree.map(jnp.asarray, returned[1])
    needs = f"beam_search needs logits [B * W, V], V > 0, B * W = {len(ids)}"
    fits = logits.ndim == 2 and len(logits) == len(ids) and logits.shape[1]
    require(fits, needs, logits)
    (mine, form), (others, form_before) = map(jax.tree.flatten, (state, search.state))
    kinds = [[(leaf.shape, leaf.dtype) for leaf in leaves] for leaves in (mine, others)]
    if form != form_before or kinds[0] != kinds[1]:
        raise TypeError(
            "beam_search needs a step that returns a state like the one it got,"
            f" {describe(search.state)}, got {describe(state)}."
        )
    return jnp.asarray(logits), state
