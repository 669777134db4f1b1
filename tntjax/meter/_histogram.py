import dataclasses
import functools
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import namespace
from tntjax._struct import static
from tntjax.meter.parts._arguments import bin_edges, check_bins
from tntjax.meter.parts._count import Count, count_in, tally
from tntjax.meter.parts._inputs import spread_counts
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._weighted import MeterOfValues


class Histogram(NamedTuple):
    """Counts [num_bins], the edges of the bins [num_bins + 1], and what lay outside.

    Counts are int64 and exact; in compiled code they are int32 and stop at 2**31 - 1.
    `below` and `above` are integers, `edges` is float32.
    """

    counts: Any
    edges: Any
    below: Any
    above: Any


class HistogramMeter(MeterOfValues):
    """Counts values in bins of equal width, exactly up to 2**63 - 1.

    A quantile that is read off is wrong by less than the width of a bin, if it lies
    within the bins. A bin has its lower edge and not its upper one, but for the last,
    which has both. A value that is NaN is left out.

    Args:
      low, high: the lower edge of the first bin, and the upper edge of the last.
      num_bins: how many bins there are, at least 1 and not so many that float32 cannot
        tell their edges apart.
      cells: [num_bins + 2] pairs of uint32: what was below, the bins, what was above.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> meter = HistogramMeter(0.0, 1.0, num_bins=2).add([0.1, 0.2, 0.9, 7.0])
      >>> meter
      HistogramMeter(below=0, above=1, n=4)
      >>> meter.value().counts.tolist()
      [2, 1]
    """

    low: float = static()
    high: float = static()
    num_bins: int = static(default=100)
    cells: Any = None

    def __post_init__(self) -> None:
        limits = self.low, self.high, self.num_bins
        low, high, size = check_bins(*limits, "HistogramMeter", "num_bins")
        vars(self).update(low=low, high=high, num_bins=size)
        if self.cells is None:
            vars(self).update(cells=Count.zeros((size + 2,)))

    n = count_in("cells")

    def _count(self, values: Any, weight: Any, mask: Any) -> Self:
        return _add(self, self._edges(), values, weight, mask)

    def value(self) -> Histogram:
        """Returns the counts and the edges."""
        cells, edges = self.cells.integers(), self._edges()
        shape = (*cells.shape[:-1], edges.size)
        edges = edges + namespace(cells).zeros(shape, np.float32)
        return Histogram(cells[..., 1:-1], edges, cells[..., 0], cells[..., -1])

    def summary(self) -> dict[str, Any]:
        """Returns how many values lay outside of the bins."""
        found = self.value()
        return {"below": found.below, "above": found.above}

    def _edges(self) -> np.ndarray:
        return bin_edges(self.low, self.high, self.num_bins)


@functools.partial(jax.jit, inline=True)
def _add(meter: Any, edges: Any, value: Any, weight: Any, mask: Any) -> Any:
    value, weight, mask = gather((value, weight, mask))
    weight = spread_counts(weight, mask, value.shape)  # [...]
    value = value.astype(jnp.float32)
    place = jnp.searchsorted(jnp.asarray(edges), value, side="right")  # [...]
    place = jnp.where(value == edges[-1], edges.size - 1, place).astype(jnp.int32)
    place = jnp.where(jnp.isnan(value), edges.size + 1, place)  # past the end
    return dataclasses.replace(meter, cells=tally(meter.cells, place, weight, axes=1))
