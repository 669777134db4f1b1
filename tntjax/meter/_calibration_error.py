"""Whether predictions are as certain as they are right."""

import dataclasses
import functools
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter._bins import bin_edges, check_bins
from tntjax.meter._count import Count, tally
from tntjax.meter._gathered import gathered
from tntjax.meter._inputs import as_rows, best_class, check_mate, check_size
from tntjax.meter._labels import as_probabilities, check_probabilities
from tntjax.meter._plot import axes_of
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.meter._total import Total
from tntjax.utils import as_array, host_or_device, host_zeros


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


@pytree
class CalibrationErrorMeter:
    """Measures how far the confidence of predictions is from their accuracy.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Examples are
    put into bins of equal width by their confidence, each bin with its lower edge.
    Counts are exact up to 2**63 - 1.

    An example whose confidence is NaN is left out. One whose target is no class number
    counts as wrong.

    Args:
      num_bins: how many bins there are between 0 and 1, at least 1.
      logits: what is added are logits, as criteria take them, and not probabilities;
        `LogLossMeter` has the same argument.
      seen: [num_bins] pairs of uint32, how many examples there were.
      right: [num_bins] pairs of uint32, how many of them were right.
      confidence: [num_bins] pairs of float32, the sums of their confidence.

    Raises:
      TypeError: if `num_bins` is no integer.
      ValueError: if it is below 1, or so large that bins coincide in float32.

    Example:
      >>> meter = CalibrationErrorMeter(2).add([[0.9, 0.1], [0.2, 0.8]], [0, 0])
      >>> meter
      CalibrationErrorMeter(expected=0.35, largest=0.35, n=2)
      >>> meter.value().accuracy.tolist()
      [nan, 0.5]

    Torchnet: not there.
    """

    num_bins: int = static(default=15)
    logits: bool = static(default=False, kw_only=True)
    seen: Any = None
    right: Any = None
    confidence: Any = None

    def __post_init__(self) -> None:
        size = check_size(self.num_bins, "CalibrationErrorMeter needs num_bins")
        check_bins(0, 1, size, "CalibrationErrorMeter")
        object.__setattr__(self, "num_bins", size)
        if self.seen is None:
            object.__setattr__(self, "seen", Count.zeros((size,)))
            object.__setattr__(self, "right", Count.zeros((size,)))
            object.__setattr__(self, "confidence", Total.zeros((size,)))

    @property
    def n(self) -> Count:
        """How many examples were counted; `int(meter.n)` is exact."""
        return self.seen.cumsum()[..., -1]

    def add(
        self, output: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None
    ) -> "CalibrationErrorMeter":
        """Counts examples in.

        `B` is the number of examples, `K` the number of classes.

        Args:
          output: [B, K] probabilities, or logits of them; the confidence is the
            greatest of a row. Or [B] or [B, 1], that of class 1 of two, which then is
            the confidence. It may be [K] or [] for one example. In compiled code what
            is outside 0 to 1 goes into the first or the last bin.
          target: [B] or [B, 1] integers, the class numbers from 0. Of one-hot rows pass
            target.argmax(-1).
          mask: [B] bool; False leaves the example out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if numbers aren't real, targets not integer, or `mask` not bool.
          ValueError: if shapes don't fit, or a probability in the memory of the host
            is not from 0 to 1: those are logits.

        Example:
          >>> CalibrationErrorMeter().add([0.25, 0.25, 0.25, 0.25], [0, 0, 1, 0])
          CalibrationErrorMeter(expected=0, largest=0, n=4)
        """
        name = "CalibrationErrorMeter.add"
        scores, labels = as_probabilities(as_array(output), as_array(target), name)
        mask = as_rows(mask, labels.shape, name)
        if not self.logits:
            check_probabilities(scores, labels, mask, "CalibrationErrorMeter")
        held = self.seen, self.right, self.confidence
        made_with = {"num_bins": self.num_bins, "logits": self.logits}
        held = _add(held, scores, labels, mask, **made_with)
        return CalibrationErrorMeter(self.num_bins, *held, logits=self.logits)

    def merge(self, other: "CalibrationErrorMeter") -> "CalibrationErrorMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter, made with the same arguments.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no CalibrationErrorMeter.
          ValueError: if it was made with other arguments.

        Example:
          >>> meter = CalibrationErrorMeter().add(0.5, 0)
          >>> meter.merge(meter.reset().add(0.5, 1))
          CalibrationErrorMeter(expected=0, largest=0, n=2)
        """
        check_mate(self, other)
        return dataclasses.replace(
            self,
            seen=self.seen + other.seen,
            right=self.right + other.right,
            confidence=self.confidence + other.confidence,
        )

    def reset(self) -> "CalibrationErrorMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same arguments.

        Example:
          >>> CalibrationErrorMeter().add(0.5, 0).reset()
          CalibrationErrorMeter(expected=nan, largest=nan, n=0)
        """
        return host_zeros(self)

    def value(self) -> Calibration:
        """Returns the errors, and for each bin what they are made of.

        Returns:
          A `Calibration`; NaN if nothing was counted.

        Example:
          >>> CalibrationErrorMeter().add(0.75, 1).value().expected
          0.25
        """
        return read(self, lambda m: Calibration(*_value(m.seen, m.right, m.confidence)))

    def plot(self, ax: Any = None) -> Any:
        """Draws accuracy over confidence, and the diagonal where they agree.

        Args:
          ax: matplotlib's axes to draw into; those of a new figure if None.

        Returns:
          The axes.

        Raises:
          ImportError: without matplotlib, if `ax` is None.
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

    def __repr__(self) -> str:
        return show(self, _measured)


def _measured(meter: CalibrationErrorMeter) -> dict[str, Any]:
    found = meter.value()
    shown = {name: f"{getattr(found, name):.6g}" for name in ("expected", "largest")}
    return {**shown, "n": int(meter.n)}


@functools.partial(jax.jit, static_argnames=("num_bins", "logits"), inline=True)
def _add(
    held: tuple, output: Any, target: Any, mask: Any, *, num_bins: int, logits: bool
) -> tuple:
    """Puts each example into its bin."""
    held, output, target, mask = gathered((held, output, target, mask))
    seen, right, confidence = held
    numbers = output.astype(jnp.float32)
    if output.shape == target.shape:
        certain = jax.nn.sigmoid(numbers) if logits else numbers
        correct = target == 1
    else:
        best, certain = best_class(output), numbers.max(-1)
        if logits:
            certain = jnp.exp(certain - jax.nn.logsumexp(numbers, axis=-1))
        certain, correct = jnp.where(best < 0, jnp.nan, certain), best == target
    counted = ~jnp.isnan(certain)
    counted = counted if mask is None else counted & mask
    edges = bin_edges(0, 1, num_bins)[1:-1]
    place = jnp.searchsorted(jnp.asarray(edges), certain, side="right").astype(
        jnp.int32
    )
    place = jnp.where(counted, place, num_bins)
    sums = jnp.zeros(num_bins, jnp.float32).at[place].add(certain, mode="drop")
    return tally(seen, place), tally(right, place, correct), confidence + sums


@host_or_device
def _value(xp: ModuleType, seen: Count, right: Count, confidence: Total) -> tuple:
    count, nan = seen.floats(), np.float32(np.nan)
    n = count.sum(-1, keepdims=True)
    some = xp.maximum(count, 1)
    mean, accuracy = confidence.floats() / some, right.floats() / some
    share = count / xp.maximum(n, 1)
    gap = xp.where(count > 0, xp.abs(mean - accuracy), 0)
    known = n[..., 0] > 0
    expected = xp.where(known, (gap * share).sum(-1), nan)
    largest = xp.where(known, gap.max(-1), nan)
    bins = (xp.where(count > 0, part, nan) for part in (mean, accuracy))
    bins = (*bins, xp.where(known[..., None], share, nan))
    return expected, largest, *(part.astype(np.float32) for part in bins)
