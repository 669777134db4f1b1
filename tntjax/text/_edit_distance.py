"""edit_distance: how many changes lead from one sequence to another."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax._numbers import check_integers
from tntjax.text._ids import as_int32


def edit_distance(
    output: ArrayLike,
    target: ArrayLike,
    output_length: ArrayLike | None = None,
    target_length: ArrayLike | None = None,
) -> jax.Array:
    """Counts the fewest insertions, deletions and substitutions between sequences.

    The time is that of N steps over M cells for all rows at once.

    Args:
      output: [..., N] integers that int32 holds, ids of words or characters.
      target: [..., M] integers.
      output_length: [...] integers, how many ids of each row count, at most N; None for
        all. Those beyond have no effect.
      target_length: [...] integers, the same for `target`.

    Returns:
      [...] int32.

    Raises:
      TypeError, ValueError: if something is not integers, or the leading axes differ.

    Example:
      >>> kitten, sitting = (list(map(ord, word)) for word in ("kitten", "sitting"))
      >>> int(edit_distance(kitten, sitting)), int(edit_distance(kitten, sitting, 4, 4))
      (3, 1)

    Wagner and Fischer, "The String-to-String Correction Problem", 1974. A row of their
    table is made at once: insertions are a running minimum.
    """
    output = _as_ids(output, "output")
    target = _as_ids(target, "target")
    needs = "edit_distance needs output [..., N] and target [..., M] with the same"
    same = output.shape[:-1] == target.shape[:-1]
    require(same, f"{needs} leading axes", output, target)
    ends = _as_length(output_length, output, "output_length")  # [...]
    columns = jnp.arange(target.shape[-1] + 1, dtype=jnp.int32)  # [M + 1]

    def add_id(row: jax.Array, entry: tuple) -> tuple[jax.Array, None]:
        token, number = entry  # [...], []
        changed = (token[..., None] != target).astype(jnp.int32)  # [..., M]
        best = jnp.minimum(row[..., :-1] + changed, row[..., 1:] + 1)
        best = jnp.concatenate([row[..., :1] + 1, best], axis=-1)  # [..., M + 1]
        best = jax.lax.cummin(best - columns, axis=best.ndim - 1) + columns
        return jnp.where((number < ends)[..., None], best, row), None

    tokens = jnp.moveaxis(output, -1, 0)  # [N, *B]
    numbers = jnp.arange(len(tokens), dtype=jnp.int32)
    first = jnp.broadcast_to(columns, (*target.shape[:-1], len(columns)))
    last, _ = jax.lax.scan(add_id, first, (tokens, numbers))
    end = _as_length(target_length, target, "target_length")[..., None]
    return jnp.take_along_axis(last, end, axis=-1)[..., 0]


def _as_ids(ids: ArrayLike, name: str) -> jax.Array:
    array = as_int32(ids, f"edit_distance needs integers as {name}")
    require(array.ndim, f"edit_distance needs {name} of shape [..., N]", array)
    return array


def _as_length(length: ArrayLike | None, ids: jax.Array, name: str) -> jax.Array:
    *rows, most = ids.shape
    if length is None:
        return jnp.full(rows, most, jnp.int32)
    array = check_integers(length, f"edit_distance needs integers as {name}")
    needs = f"edit_distance needs {name} of shape {rows}, one for each row"
    require(array.shape == tuple(rows), needs, array)
    return jnp.asarray(array).clip(0, most).astype(jnp.int32)
