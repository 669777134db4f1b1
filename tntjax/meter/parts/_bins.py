import dataclasses
import functools
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import namespace
from tntjax._struct import static
from tntjax.meter._meter import Meter
from tntjax.meter.parts._arguments import bin_edges, check_bins
from tntjax.meter.parts._count import Count, tally
from tntjax.meter.parts._inputs import Mask
from tntjax.meter.parts._labels import as_examples
from tntjax.meter.parts._mesh import gather


class MeterOfBins(Meter):
    """The base of meters that count examples of both kinds in bins of scores."""

    bins: int = static(default=1024)
    low: float = static(default=0.0)
    high: float = static(default=1.0)
    counts: Any = None  # [bins + 1, 2], negative and positive; NaN comes last
    n: Count = Count()

    def __post_init__(self) -> None:
        name = type(self).__name__
        low, high, bins = check_bins(self.low, self.high, self.bins, name, "bins")
        vars(self).update(low=low, high=high, bins=bins)
        if self.counts is None:
            vars(self).update(counts=Count.zeros((bins + 1, 2)))

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples in; see `Meter.add`.

        Args:
          output: [B] or [B, 1] real scores, higher is more positive; [] for one.
          target: the same shape, real: positive where above 0; NaN is a ValueError.
          mask: [B] bool; False leaves the example out.
        """
        examples = as_examples(output, target, mask, f"{type(self).__name__}.add")
        # Found by comparing, which rounds nothing: higher scores never get a lower bin.
        edges = bin_edges(self.low, self.high, self.bins)[1:-1]
        return _count(self, *examples, edges)


@functools.partial(jax.jit, inline=True)
def _count(meter: Any, scores: Any, targets: Any, mask: Any, edges: Any) -> Any:
    leaves = (meter, scores.astype(jnp.float32), targets, mask)
    meter, scores, targets, mask = gather(leaves)
    place = jnp.searchsorted(edges, scores, side="right")  # [B]
    place = jnp.where(jnp.isnan(scores), meter.bins, place)  # the last
    seen = jnp.ones(scores.shape, jnp.int32)  # [B]
    if mask is not None:
        seen = seen * mask
    cells = 2 * place + targets.astype(jnp.int32)  # [B] in the flattened counts
    counts, n = tally(meter.counts, cells, seen, axes=2), seen.sum(dtype=jnp.int32)
    return dataclasses.replace(meter, counts=counts, n=meter.n + n)


def from_above(counts: Count) -> tuple[Any, list, list]:
    """Returns what is in each bin and in those above it, from the highest bin down.

    `(xp, [false, true], [false, true])`, where each is [..., bins]: float64 if `xp` is
    NumPy, else float32.
    """
    xp = namespace(counts.low)

    def real(count: Count) -> Any:
        return count.integers().astype(np.float64) if xp is np else count.floats()

    kinds = [counts[..., -2::-1, kind] for kind in (0, 1)]  # each [..., bins]
    above = [kind.cumsum() - kind for kind in kinds]  # counted, so exact
    return xp, [real(kind) for kind in kinds], [real(count) for count in above]


def round_bounds(value: Any, error: Any, counts: Count) -> tuple[Any, Any]:
    """Rounds value and error to float32, and adds what rounding may do to the error.

    Each term is some ten roundings from exact, and sums in pairs add one a level. Both
    are NaN if a score was.
    """
    xp, words = namespace(value), counts.low | counts.high  # above 0 if counted
    roundings = 16 + int(words.shape[-2]).bit_length()
    error = error + roundings * 2.0**-24
    spoiled = (words[..., -1, :] > 0).any(-1)  # by a NaN, which has a bin of its own
    return tuple(
        xp.where(spoiled, np.nan, part).astype(np.float32) for part in (value, error)
    )
