"""How many of the actual classes are predicted."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jax.typing import ArrayLike

from tntjax._struct import pytree, static
from tntjax.meter._count import Count
from tntjax.meter._hits import Hits, check_thresholds, count_hits, ratio, show_hits
from tntjax.meter._inputs import check_convention, check_mate
from tntjax.meter._read import read
from tntjax.meter._show import show
from tntjax.utils import host_zeros


@pytree
class RecallMeter:
    """Measures the recall: of what is so, the percentage that was predicted.

    A monoid: `add` and `merge` return a new meter, so rebind the result. Counts are
    exact up to 2**63 - 1.

    A class is predicted where its score is at or above the threshold. Without
    thresholds the one class that is scored best is predicted (of equals the first),
    for examples that have one class each. A score that is NaN predicts nothing.

    Args:
      thresholds: from which scores on a class is predicted; one recall is kept
        for each, in ascending order. They may be outside 0 to 1, as logits are. None
        predicts the best class.
      num_classes: measure each of so many classes alone; None puts the cells of all
        classes together (the micro average). The macro average is the mean over
        classes.
      convention: what a ratio of nothing is. "standard": 0, and NaN before anything
        was counted. "torchnet": 100 in either case.
      hits: what was counted.

    Raises:
      TypeError: if `thresholds` isn't a sequence of numbers, or `num_classes` is no
        integer.
      ValueError: if there is no threshold, `num_classes` is below 1, or
        `convention` is another.

    Example:
      >>> RecallMeter((0.5, 0.7)).add([[0.9, 0.6], [0.2, 0.8]], [[1, 1], [0, 1]])
      RecallMeter(at_0.5=100%, at_0.7=66.6667%, n=2)
      >>> RecallMeter(None, num_classes=2).add([[0.9, 0.6], [0.3, 0.2]], [0, 1])
      RecallMeter(best=50%, n=2)

    Torchnet: `meter/recallmeter.lua`, where `perclass=true` found the number of
    classes in the first batch, a recall of what never was so was 100, and
    scores of another type than the default were never compared. Thresholds had to be
    from 0 to 1, there was no best class, and targets were labels and not class numbers.
    """

    thresholds: Sequence[float] | None = static(default=(0.5,))
    num_classes: int | None = static(default=None)
    convention: str = static(default="standard", kw_only=True)
    hits: Any = None

    def __post_init__(self) -> None:
        check_convention(self)
        check_thresholds(self)

    @property
    def n(self) -> Count:
        """How many examples were counted; `int(meter.n)` is exact."""
        return self.hits.n

    def add(
        self, output: ArrayLike, target: ArrayLike, *, mask: ArrayLike | None = None
    ) -> "RecallMeter":
        """Counts examples in.

        `B` is the number of examples, `K` the number of classes.

        Args:
          output: [B, K] real scores, or [K] for one example; [B, 1] for a single class
            that is there or not. Or the predicted class numbers, integers [B] or [B, 1]
            if target has integers of that shape too: with `num_classes`, or without
            thresholds. They are as scores of 1 for that class and 0 for the others.
          target: [B, K] real, above 0 where the example is of the class, or [B] for a
            single class; or [B] integers, the class numbers from 0 of examples that
            have one class each.
          mask: [B] bool; False leaves the example out.

        Returns:
          The new meter, of the same structure, shapes and dtypes.

        Raises:
          TypeError: if numbers aren't real, or `mask` not bool.
          ValueError: if shapes don't fit, a target is NaN, there are class numbers
            where labels of one class are needed, or one class to choose the best of.

        Example:
          >>> RecallMeter().add([[0.9, 0.6], [0.2, 0.8]], [0, 0], mask=[False, True])
          RecallMeter(at_0.5=0%, n=1)
        """
        hits = count_hits(self, output, target, mask)
        return dataclasses.replace(self, hits=hits)

    def merge(self, other: "RecallMeter") -> "RecallMeter":
        """Returns one meter for the examples of both.

        Args:
          other: another such meter, made with the same arguments.

        Returns:
          The merged meter; computed on the host if both lie there.

        Raises:
          TypeError: if `other` is no RecallMeter.
          ValueError: if it was made with other arguments.

        Example:
          >>> meter = RecallMeter().add([0.9, 0.1], [1, 0])
          >>> meter.merge(meter.reset().add([0.9, 0.9], [1, 0]))
          RecallMeter(at_0.5=100%, n=2)
        """
        check_mate(self, other)
        return dataclasses.replace(self, hits=self.hits + other.hits)

    def reset(self) -> "RecallMeter":
        """Returns the meter that has seen nothing, on the host.

        Returns:
          A meter with the same arguments.

        Example:
          >>> RecallMeter().add([0.9, 0.1], [1, 0]).reset()
          RecallMeter(at_0.5=nan%, n=0)
        """
        return host_zeros(self)

    def value(self) -> dict[float | str, Any]:
        """Returns the recall, in percent.

        Returns:
          `{threshold: percent}`, or `{"best": percent}` without thresholds, each a
          float, or [num_classes] float32 if that was given.

        Example:
          >>> RecallMeter((0.2, 0.6)).add([0.9, 0.3], [1, 0]).value()[0.6]
          100.0
        """
        empty = 100.0 if self.convention == "torchnet" else 0.0
        return read(self, lambda meter: ratio(meter, _recall, empty))

    def __repr__(self) -> str:
        return show(self, show_hits)


def _recall(hits: Hits) -> tuple[Any, Any]:
    return hits.both.floats(), hits.actual.floats()
