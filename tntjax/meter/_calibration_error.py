import dataclasses
import functools
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import namespace
from tntjax._struct import flag, static
from tntjax.meter._meter import Meter
from tntjax.meter.parts._arguments import bin_edges, check_bins
from tntjax.meter.parts._count import Count, check_single
from tntjax.meter.parts._inputs import Mask, as_rows
from tntjax.meter.parts._labels import (
    as_probabilities,
    best_class,
    check_probabilities,
)
from tntjax.meter.parts._mesh import gather
from tntjax.meter.parts._plot import axes_of
from tntjax.meter.parts._sums import Total, sum_in_pairs


class Calibration(NamedTuple):
    """Calibration errors, fractions from 0 to 1, and what they are made of.

    `expected` and `largest` are floats: the gap between confidence and accuracy,
    averaged over examples, and in the worst bin. Of each bin [num_bins] float32:
    `confidence` and `accuracy`, NaN where there are no examples, and their `share`.
    """

    expected: Any
    largest: Any
    confidence: Any
    accuracy: Any
    share: Any


class CalibrationErrorMeter(Meter):
    """Measures how far the confidence of predictions is from their accuracy.

    Examples are put into bins of equal width by their confidence, each bin with its
    lower edge. One whose confidence is NaN is left out; one whose target is not a class
    number counts as wrong.

    Args:
      num_bins: how many bins of float32 there are between 0 and 1, at least 1.
      logits: what is added are logits, as for `LogLossMeter`, and not probabilities.
      counts: [num_bins, 2] pairs of uint32, how many examples there were, and how many
        of them were right.
      confidence: [num_bins] pairs of float32, the sums of their confidence.

    Raises:
      TypeError, ValueError: if an argument is something else.

    Example:
      >>> meter = CalibrationErrorMeter(2).add([[0.9, 0.1], [0.2, 0.8]], [0, 0])
      >>> meter
      CalibrationErrorMeter(expected=0.35, largest=0.35, n=2)
      >>> meter.value().accuracy.tolist()
      [nan, 0.5]
    """

    num_bins: int = static(default=15)
    logits: bool = flag(default=False, kw_only=True)
    counts: Any = None
    confidence: Any = None

    def __post_init__(self) -> None:
        *_, size = check_bins(0, 1, self.num_bins, type(self).__name__, "num_bins")
        vars(self).update(num_bins=size)
        if self.counts is None:
            counts, confidence = Count.zeros((size, 2)), Total.zeros((size,))
            vars(self).update(counts=counts, confidence=confidence)

    @property
    def n(self) -> Count:
        """The number of examples that were counted; `int(meter.n)` is exact."""
        return self.counts[..., 0].cumsum()[..., -1]

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples of K classes in; see `Meter.add`.

        Args:
          output: that of `LogLossMeter`; the confidence is the greatest of a row, or
            the probability of class 1 of two. In compiled code what is outside 0 to 1
            goes into the first or the last bin.
          target: that of `LogLossMeter`, the class numbers.
          mask: [B] bool; False leaves the example out.

        Raises:
          ValueError: if a probability in the memory of the host is not from 0 to 1:
            those are logits.
        """
        name = "CalibrationErrorMeter.add"
        check_single(self.counts, 2)
        scores, labels = as_probabilities(output, target, name)
        mask = as_rows(mask, labels.shape, name)
        if not self.logits:
            check_probabilities(scores, labels, mask, "CalibrationErrorMeter")
        return _add(self, scores, labels, mask)

    def value(self) -> Calibration:
        """Returns the errors, and what they are made of; NaN if nothing was counted."""
        both, nan = self.counts.floats(), np.float32(np.nan)
        xp = namespace(both)
        count, right = both[..., 0], both[..., 1]  # [..., num_bins]
        n = count.sum(-1, keepdims=True)  # [..., 1]
        some = xp.maximum(count, 1)
        mean, accuracy = self.confidence.floats() / some, right / some
        share = count / xp.maximum(n, 1)  # [..., num_bins]
        gap = xp.where(count > 0, xp.abs(mean - accuracy), 0)
        known = n[..., 0] > 0  # [...]
        expected = xp.where(known, (gap * share).sum(-1), nan)
        largest = xp.where(known, gap.max(-1), nan)
        bins = [xp.where(count > 0, part, nan) for part in (mean, accuracy)]
        bins.append(xp.where(known[..., None], share, nan))
        return Calibration(expected, largest, *(b.astype(np.float32) for b in bins))

    def summary(self) -> dict[str, Any]:
        """Returns the two errors."""
        found = self.value()
        return {"expected": found.expected, "largest": found.largest}

    def plot(self, ax: Any = None) -> Any:
        """Draws accuracy over confidence on `ax` or a new figure, returned as Axes.

        Raises:
          ImportError: if `ax` is None and matplotlib isn't installed.
        """
        ax, found = axes_of(ax, type(self).__name__), self.value()
        middles = (np.arange(self.num_bins) + 0.5) / self.num_bins
        ax.bar(middles, found.accuracy, 1 / self.num_bins, alpha=0.5, label="accuracy")
        ax.plot(found.confidence, found.accuracy, "o", label="mean of the bin")
        ax.plot([0, 1], [0, 1], "--", label="calibrated")
        ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
        ax.set_title(f"expected calibration error {found.expected:.4f}")
        ax.legend()
        return ax


@functools.partial(jax.jit, inline=True)
def _add(meter: Any, output: Any, target: Any, mask: Any) -> Any:
    meter, output, target, mask = gather((meter, output, target, mask))
    numbers = output.astype(jnp.float32)  # [..., K], or [...] of class 1
    if output.shape == target.shape:
        certain = jax.nn.sigmoid(numbers) if meter.logits else numbers
        known, correct = True, target == 1
    else:
        best, certain = best_class(output), numbers.max(-1)
        if meter.logits:
            certain = jnp.exp(certain - jax.nn.logsumexp(numbers, axis=-1))
        known, correct = best >= 0, best == target
    counted = known & (certain == certain)  # no NaN, [...]
    counted = counted if mask is None else counted & mask
    edges = jnp.asarray(bin_edges(0, 1, meter.num_bins)[1:-1])
    if len(edges) < 32:  # to compare with a few edges is less work than to search
        edges = jnp.expand_dims(edges, tuple(range(certain.ndim)))  # [..., edges]
        place = (certain[..., None] >= edges).sum(-1, dtype=jnp.uint32)  # [...]
    else:
        place = jnp.searchsorted(edges, certain, side="right").astype(jnp.uint32)
    place = jnp.where(counted, place, np.uint32(2**32 - 1))  # is dropped
    both = jnp.stack([counted, correct], -1).astype(jnp.int32)  # [..., 2]
    counts = jnp.zeros(meter.counts.low.shape, jnp.int32)  # [num_bins, 2]
    counts = meter.counts + counts.at[place].add(both, mode="drop")
    # Summed one by one, many would be lost beside their sum: so few, and then in pairs.
    part = jnp.arange(place.size, dtype=jnp.uint32) // max(256, meter.num_bins)
    parts = -(-max(1, place.size) // max(256, meter.num_bins))
    sums = jnp.zeros((meter.num_bins, parts), jnp.float32)
    sums = sums.at[place.reshape(-1), part].add(certain.reshape(-1), mode="drop")
    confidence = meter.confidence + sum_in_pairs(jnp, sums)  # [num_bins]
    return dataclasses.replace(meter, counts=counts, confidence=confidence)
