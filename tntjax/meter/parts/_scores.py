"""The bases of meters that keep every score: of one class, and of several."""

from typing import Any, Self

from tntjax._struct import describe, static
from tntjax.meter._meter import check_same
from tntjax.meter.parts._arguments import check_convention, check_optional_size
from tntjax.meter.parts._inputs import as_rows
from tntjax.meter.parts._labels import as_examples, as_positive, as_scores, same_rank
from tntjax.meter.parts._rows import MeterOfRows


class MeterOfScores(MeterOfRows):
    """The base of meters that keep every score of one class."""

    def _as_batch(self, output: Any, target: Any, mask: Any, name: str) -> tuple:
        return as_examples(output, target, mask, name)


class MeterOfClasses(MeterOfRows):
    """The base of meters that keep every score of several classes, [capacity, K]."""

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

    def _as_batch(self, output: Any, target: Any, mask: Any, name: str) -> tuple:
        classes = self._known_classes()
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
        return scores, as_positive(targets, kept, name), rows

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
