"""edit_distance: how many changes lead from one sequence to another."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._check import require
from tntjax.text._ids import as_int32, as_lengths


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
    output = as_int32(output, "edit_distance needs integers as output")
    target = as_int32(target, "edit_distance needs integers as target")
    fits = output.ndim and target.ndim and output.shape[:-1] == target.shape[:-1]
    needs = "edit_distance needs [..., N] and [..., M] with the same leading axes"
    require(fits, needs, output, target)
    name = "edit_distance"
    ends = as_lengths(output_length, output.shape, name, "output_length")  # [...]
    last = as_lengths(target_length, target.shape, name, "target_length")
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
    table, _ = jax.lax.scan(add_id, first, (tokens, numbers))
    return jnp.take_along_axis(table, last[..., None], axis=-1)[..., 0]
