"""The bases of meters that keep every score: of one class, and of several."""

from typing import Any, Self

import numpy as np
from jax.typing import ArrayLike

from tntjax._array import namespace, over_rows
from tntjax._struct import describe, static
from tntjax.meter._meter import check_same
from tntjax.meter.parts._arguments import check_convention, check_optional_size
from tntjax.meter.parts._inputs import as_floats, as_rows, refuse
from tntjax.meter.parts._labels import (
    as_examples,
    as_positive,
    as_scores,
    same_rank,
    without_last_axis,
)
from tntjax.meter.parts._rows import MeterOfRows


class MeterOfScores(MeterOfRows):
    """The base of meters that keep every score of one class."""

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Counts examples in; see `Meter.add`.

        Args:
          output: [B] or [B, 1] real scores, higher is more positive; [] for one.
          target: the same shape, real: positive where above 0.
          weight: [B] or [], real and at least 0, how much each example counts.
          mask: [B] bool; False leaves the example out, and takes no slot.

        Raises:
          TypeError: if there is no capacity in compiled code.
          ValueError: if in the memory of the host a target is NaN, or a weight negative
            or not finite.
        """
        name = f"{type(self).__name__}.add"
        scores, targets, mask = as_examples(output, target, mask, name)
        return self._append(
            scores, targets, _as_weights(weight, scores, mask, name), mask
        )


class MeterOfClasses(MeterOfRows):
    """The base of meters that keep every score of several classes.

    Args:
      capacity: how many examples there is room for, or None.
      num_classes: K, or None.
      convention: what weights and classes without positive examples mean.
    """

    num_classes: int | None = static(default=None)
    convention: str = static(default="standard")

    def __post_init__(self) -> None:
        check_convention(self)
        subject = f"{type(self).__name__} needs num_classes"
        vars(self).update(num_classes=check_optional_size(self.num_classes, subject))
        super().__post_init__()

    def _row(self) -> tuple[int, ...]:
        return (self._known_classes() or 1,)

    def _known_classes(self) -> int | None:
        """Returns how many classes the meter must have; None if that is open."""
        if self.num_classes is not None:
            return self.num_classes
        if self.capacity is not None:
            return 1
        return self.scores[0].shape[1] if self.scores else None

    def add(
        self,
        output: ArrayLike,
        target: ArrayLike,
        weight: ArrayLike | None = None,
        *,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Counts examples in; see `Meter.add`.

        Args:
          output: [B, K] real scores, higher is more positive. [B] are examples of one
            class, but [K] one example if `num_classes` is more than 1.
          target: the same shape, real: positive where above 0.
          weight: [B], [B, 1] or [], real and at least 0, how much an example counts.
          mask: [B] bool; False leaves the example out, and takes no slot.

        Raises:
          TypeError: if there is no capacity in compiled code.
          ValueError: if there are other classes than before, or in the memory of the
            host a target is NaN or a weight negative or not finite.
        """
        name, classes = f"{type(self).__name__}.add", self._known_classes()
        scores, targets = same_rank(*as_scores(output, target, name))
        if scores.ndim < 2 and scores.shape == targets.shape:
            shape = (1, -1) if (self.num_classes or 1) > 1 else (-1, 1)
            scores, targets = scores.reshape(shape), targets.reshape(shape)  # [B, K]
        wanted = (scores.shape[0], classes or scores.shape[-1])  # [B, K]
        if not scores.shape == targets.shape == wanted:
            raise ValueError(
                f"{name} needs output [B, {classes or 'K'}], a score for each class,"
                f" and target of the same shape; got output {describe(scores)} and"
                f" target {describe(targets)}. A meter of K classes with room for N"
                f" examples is {type(self).__name__}(N, K)."
            )
        rows = as_rows(mask, scores.shape[:1], name)
        kept = None if rows is None else rows[:, None]  # [B, 1]
        targets = as_positive(targets, kept, name)
        return self._append(
            scores, targets, _as_weights(weight, scores, rows, name), rows
        )

    def merge(self, other: Self) -> Self:
        """Puts the examples of another meter behind; the capacity stays the same."""
        check_same(self, other)
        classes = self._known_classes(), other._known_classes()
        if None not in classes and classes[0] != classes[1]:  # None: empty, so open
            raise ValueError(
                f"{type(self).__name__}.merge needs two meters of as many classes, got"
                f" {classes[0]} and {classes[1]}."
            )
        return super().merge(other)


def _as_weights(weight: Any, scores: Any, mask: Any, name: str) -> Any:
    """Returns the weight of each example, float32 [B]; the mask is one of `as_rows`."""
    size = scores.shape[:1]  # [B]
    weight = as_floats(1 if weight is None else weight, np.float32, name, "weights")
    weight = over_rows(without_last_axis(weight), size, f"{name}: weight")
    refuse(
        weight,
        lambda weight: ~((weight >= 0) & np.isfinite(weight)),
        f"{name} needs finite weights >= 0",
        mask,
    )
    return namespace(weight).broadcast_to(weight, size)
