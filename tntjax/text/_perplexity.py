"""Perplexity: of all that was seen, whatever the batches."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array, namespace
from tntjax._check import check_choice, require
from tntjax._struct import static
from tntjax.meter import Meter
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import as_counts, as_floats, as_rows
from tntjax.meter.parts._sums import Mean, Total


class PerplexityMeter(Meter):
    """Measures perplexity: exp of the sum of losses by the number of units.

    Both are summed over all that is added, so batches of any lengths give the corpus'
    own value; a mean of their means does not. Between models of unlike tokens compare
    "word", with ends of sentences counted as the benchmark does, or "byte".

    Args:
      unit: "token", "word" or "byte": what the losses are divided by the number of.
      loss: the sum of the losses.
      n: the number of units; `int(meter.n)` is exact.

    Raises:
      ValueError: if `unit` is another.

    Example:
      >>> PerplexityMeter().add(np.full(100, 2.0)).add(np.full(10, 5.0))
      PerplexityMeter(perplexity=9.70584, n=110)
      >>> PerplexityMeter("byte").add([[1.0, 2.0], [4.0, 0.0]], [3, 4])  # exp(7 / 7)
      PerplexityMeter(perplexity=2.71828, n=7)
    """

    unit: str = static(default="token")
    loss: Total = Total()
    n: Count = Count()

    def __post_init__(self) -> None:
        check_choice("PerplexityMeter", "unit", self.unit, ("token", "word", "byte"))

    def add(
        self,
        loss: ArrayLike,
        units: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
    ) -> "PerplexityMeter":
        """Counts tokens in.

        Args:
          loss: real, any shape, such as [B, T]: -log of the probability of each token,
            in nats.
          units: with "word" or "byte" how many of them the tokens make up: integers
            >= 0 of the leading axes of `loss`, such as [B], or [] for all. An entry
            counts if a token of it does.
          mask: bool, the leading axes of `loss`; False leaves tokens out.

        Raises:
          TypeError: if losses are not real, `units` not integer or `mask` not bool.
          ValueError: if shapes don't fit, or `units` is missing or too much.
        """
        name = "PerplexityMeter.add"
        losses = as_floats(loss, np.float32, name, "losses")
        kept = as_rows(mask, losses.shape, name)
        fits = (units is None) == (self.unit == "token")
        needs = f"{name} needs units, how many {self.unit}s, unless these are tokens"
        require(fits, needs, units)
        shape = losses.shape if units is None else as_array(units).shape
        fits = losses.shape[: len(shape)] == shape
        needs = f"{name} needs units of the leading axes of loss {list(losses.shape)}"
        require(fits, f"{needs}, or []", units)
        counts = as_counts(1 if units is None else units, shape, name)
        check_single(self.n, 0)
        total, added = _sum(losses, counts, kept, axes=len(shape))
        return dataclasses.replace(self, loss=self.loss + total, n=self.n + added)

    def value(self) -> Any:
        """Returns the perplexity, a float; NaN if nothing was added.

        Its logarithm to base 2 is bits a unit: `math.log2(meter.value())`.
        """
        mean = Mean(self.loss, self.n).value()
        return namespace(mean).exp(mean)

    def summary(self) -> dict[str, Any]:
        """Returns the value under its name."""
        return {"perplexity": self.value()}


@functools.partial(jax.jit, static_argnames="axes", inline=True)
def _sum(loss: Any, counts: Any, kept: Any, *, axes: int) -> tuple[Any, Any]:
    """Sums losses and units; those of `axes` leading axes count if a token does."""
    kept = jnp.broadcast_to(True if kept is None else kept, loss.shape)
    seen = kept.any(tuple(range(axes, loss.ndim)))  # [*leading]
    loss = jnp.where(kept, loss.astype(jnp.float32), 0)
    units = jnp.where(seen, jnp.asarray(counts).astype(jnp.int32), 0)
    return loss.sum(), units.sum(dtype=jnp.int32)
