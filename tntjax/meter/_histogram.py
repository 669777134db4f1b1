"""How values are spread over bins of equal width."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter._bins import bin_edges, check_bins
from tntjax.meter._count import Count, tally
from tntjax.meter._gathered import gathered
from tntjax.meter._inputs import as_counts, as_floats, as_rows, check_mate, check_size
from tntjax.meter._moments import weights
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_zeros, namespace


class Histogram(NamedTuple):
    """Counts [num_bins], the edges of the bins [num_bins + 1], and what lay outside.

    Counts are int64 and exact; in compiled code they are int32 and stop at 2**31 - 1.
    `below` and `above` are integers, `edges` is float32.
    """

    counts: Any
    edges: Any
    below: Any
    above: Any


@pytree
class HistogramMeter:
    """Counts values in bins of equal width.

    A monoid of fixed size: `add` and `merge` return a new meter, so rebind the result.
    Counts are exact up to 2**63 - 1. So a quantile that is read off is wrong by less
    than the width of a bin, if it lies within the bins.

    A bin has its lower edge and not its upper one, but for the last, which has both. A
    value that is NaN is left out.

    Args:
      low: the lower edge of the first bin.
      high: the upper edge of the last, above `low`.
      num_bins: how many bins there are, at least 1.
      cells: [num_bins + 2] pairs of uint32: what was below, the bins, what was above.

    Raises:
      TypeError: if `num_bins` is no integer.
      ValueError: if it is below 1, `low` and `high` are not finite or in order, or
        bins are so narrow that float32 cannot tell their edges apart.

    Example:
      >>> meter = HistogramMeter(0.0, 1.0, num_bins=2).add([0.1, 0.2, 0.9, 7.0])
      >>> meter
      HistogramMeter(below=0, above=1, n=4)
      >>> meter.value().counts.tolist()
      [2, 1]

    Torchnet: not there.
    """

    low: float = static()
    high: float = static()
    num_bins: int = static(default=100)
    cells: Any = None

    def __post_init__(self) -> None:
        size = check_size(self.num_bins, "HistogramMeter needs num_bins")
        object.__setattr__(self, "num_bins", size)
        check_bins(self.low, self.high, size, "HistogramMeter")
        if self.cells is None:
            object.__setattr__(self, "cells", Count.zeros((size + 2,)))

    @property
    def n(self) -> Count:
        """How many values were counted; `int(meter.n)` is exact."""
        return self.cells.cumsum()[..., -1]

    def add(
        self, value: ArrayLike, n: ArrayLike = 1, *, mask: ArrayLike | None = None
    ) -> "HistogramMeter":
        """Counts values in.

        Args:
          value: [] or any shape, real; each element is one value.
          n: how often each value counts, an integer >= 0: [], or the leading axes.
          mask: bool, the leading axes of `value`; False leaves the values out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if `value` isn't real, `n` not integer, or `mask` not bool.
          ValueError: if shapes don't fit, or `n` is negative or sums to 2**31 or more.

        Example:
          >>> HistogramMeter(0, 4, num_bins=2).add([1, 3], n=[5, 2]).value().counts
          array([5, 2])
        """
        values = as_floats(value, np.float32, "HistogramMeter.add")
        mask = as_rows(mask, values.shape, "HistogramMeter.add")
        weight = as_counts(n, values.shape, "HistogramMeter.add", mask)
        return dataclasses.replace(
            self, cells=_add(self.cells, self._edges(), values, weight, mask)
        )

    def merge(self, other: "HistogramMeter") -> "HistogramMeter":
        """Returns one meter for the values of both.

        Args:
          other: another such meter, made with the same arguments.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no HistogramMeter.
          ValueError: if it was made with other arguments.

        Example:
          >>> meter = HistogramMeter(0.0, 1.0).add(0.5)
          >>> meter.merge(meter.reset().add(2.0))
          HistogramMeter(below=0, above=1, n=2)
        """
        check_mate(self, other)
        return dataclasses.replace(self, cells=self.cells + other.cells)

    def reset(self) -> "HistogramMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same arguments.

        Example:
          >>> HistogramMeter(0.0, 1.0).add(0.5).reset()
          HistogramMeter(below=0, above=0, n=0)
        """
        return host_zeros(self)

    def value(self) -> Histogram:
        """Returns the counts and the edges.

        Returns:
          A `Histogram`.

        Example:
          >>> HistogramMeter(0.0, 1.0, num_bins=2).value().edges.tolist()
          [0.0, 0.5, 1.0]
        """
        return read(self, _histogram)

    def _edges(self) -> np.ndarray:
        return bin_edges(self.low, self.high, self.num_bins)

    def __repr__(self) -> str:
        return show(self, _measured)


def _histogram(meter: HistogramMeter) -> Histogram:
    cells, edges = meter.cells.integers(), meter._edges()
    shape = (*cells.shape[:-1], edges.size)
    edges = edges + namespace(cells).zeros(shape, np.float32)
    return Histogram(cells[..., 1:-1], edges, cells[..., 0], cells[..., -1])


def _measured(meter: HistogramMeter) -> dict[str, Any]:
    found = meter.value()
    return {"below": found.below, "above": found.above, "n": int(meter.n)}


@functools.partial(jax.jit, inline=True)
def _add(cells: Count, edges: Any, value: Any, weight: Any, mask: Any) -> Count:
    """Puts each value into its bin."""
    value, weight, mask = gathered((value, weight, mask))
    weight = weights(weight, mask, value.shape)
    value = value.astype(jnp.float32)
    place = jnp.searchsorted(jnp.asarray(edges), value, side="right")
    place = jnp.where(value == edges[-1], edges.size - 1, place).astype(jnp.int32)
    return tally(cells, jnp.where(jnp.isnan(value), edges.size + 1, place), weight)
