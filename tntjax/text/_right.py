"""The base of meters of what is right: a share, in percent."""

import abc
import dataclasses
import functools
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from tntjax._array import as_array
from tntjax._check import require
from tntjax.meter import Meter
from tntjax.meter._meter import in_percent
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import as_rows, is_integer
from tntjax.meter.parts._labels import as_class_numbers, as_classes, best_class


class MeterOfIds(Meter):
    """The base of shares of ids, or of sequences, that are right; in percent."""

    right: Count = Count()
    n: Count = Count()

    def add(
        self, output: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None
    ) -> Self:
        """Counts sequences in.

        Args:
          output: [B, T, V] real, a score for each id of V, of which the best is taken,
            the first of equals; or [B, T] integers, ids.
          target: [B, T] integers, the true ids. It may be [T] for one sequence.
          mask: bool [B, T] or [B]; False leaves ids out, and sequences without any.

        Raises:
          TypeError: if ids aren't integers, or `mask` not bool.
          ValueError: if shapes don't fit.
        """
        name = f"{type(self).__name__}.add"
        scores, ids = as_array(output), as_array(target)
        if scores.ndim == ids.ndim + 1:
            scores, ids = as_classes(scores, ids, name)
        else:
            integer = is_integer(scores) and is_integer(ids)
            needs = f"{name} needs integer ids [B, T], or of output scores [B, T, V]"
            require(integer, needs, scores, ids, error=TypeError)
            require(scores.shape == ids.shape, needs, scores, ids)
            scores, ids = as_class_numbers(scores), as_class_numbers(ids)
        require(ids.ndim, f"{name} needs ids [B, T]", target)
        kept = as_rows(mask, ids.shape, name)
        check_single(self.n, 0)
        right, n = _count(scores, ids, kept, select=type(self)._select)
        return dataclasses.replace(self, right=self.right + right, n=self.n + n)

    @staticmethod
    @abc.abstractmethod
    def _select(right: Any, kept: Any) -> tuple[Any, Any]:
        """Returns what is right, and what is counted, of [B, T] ids."""

    def value(self) -> Any:
        """Returns the percentage that is right, a float; NaN if nothing was counted."""
        return 100 * self.right.floats() / self.n.floats()

    def summary(self) -> dict[str, Any]:
        """Returns the percentage with its sign."""
        return {"accuracy": in_percent(self.value())}


@functools.partial(jax.jit, static_argnames="select", inline=True)
def _count(output: Any, target: Any, kept: Any, *, select: Any) -> tuple[Any, Any]:
    ids = output if output.ndim == target.ndim else best_class(output)
    kept = jnp.broadcast_to(True if kept is None else kept, target.shape)
    right, seen = select(ids == target, kept)
    return (right & seen).sum(dtype=jnp.int32), seen.sum(dtype=jnp.int32)
