import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from tntjax._array import as_array, namespace
from tntjax._struct import describe, pytree, static
from tntjax.meter._meter import Meter, in_percent
from tntjax.meter.parts._arguments import (
    check_convention,
    check_levels,
    check_optional_size,
)
from tntjax.meter.parts._count import Count, check_single, count_of
from tntjax.meter.parts._inputs import (
    Mask,
    as_real,
    as_rows,
    narrow,
    refuse,
    refuse_nan,
)
from tntjax.meter.parts._labels import as_classes, as_predicted, best_class, same_rank

Thresholds = tuple[float, ...] | None


@pytree
class Hits:
    """Counts for each of T thresholds, and for each of K classes if they are apart."""

    both: Count  # [T] or [T, K], predicted and actual
    predicted: Count  # [T] or [T, K]
    actual: Count  # [] or [K]
    n: Count  # [], how many examples were counted


class MeterOfHits(Meter):
    """The base of precision, recall and F: how often was a prediction right?"""

    thresholds: Sequence[float] | None = static(default=(0.5,))
    num_classes: int | None = static(default=None)
    hits: Any = None

    convention = "standard"  # or a field
    n = count_of("hits")

    def __post_init__(self) -> None:
        check_convention(self)
        name, thresholds = type(self).__name__, self.thresholds
        if thresholds is not None:
            thresholds = check_levels(thresholds, name, "thresholds")
        classes = check_optional_size(self.num_classes, f"{name} needs num_classes")
        vars(self).update(thresholds=thresholds, num_classes=classes)
        if self.hits is None:
            apart = () if classes is None else (classes,)
            cells = Count.zeros((len(thresholds or (None,)), *apart))  # [T] or [T, K]
            hits = Hits(cells, cells, Count.zeros(apart), Count.zeros(()))
            vars(self).update(hits=hits)

    def add(self, output: ArrayLike, target: ArrayLike, *, mask: Mask = None) -> Self:
        """Counts examples of K classes in; see `Meter.add`.

        Args:
          output: [B, K] real scores, or [K] for one example; [B, 1] for a single class
            that is there or not, or [B] if `num_classes` is 1. Or the predicted class
            numbers, integers [B] or [B, 1] if target has integers of that shape too:
            with `num_classes`, or without thresholds. They are as scores of 1 for that
            class and 0 for the others.
          target: [B, K] real, above 0 where the example is of the class, or [B] for a
            single class; or [B] integers, the class numbers from 0 of examples that
            have one class each.
          mask: [B] bool; False leaves the example out.

        Raises:
          ValueError: if a target is NaN, there are class numbers where labels of one
            class are needed, or one class to choose the best of.
        """
        check_single(self.hits.n, 0)
        output, target, mask = self._as_batch(as_array(output), as_array(target), mask)
        apart = self.num_classes is not None
        batch = narrow(output), narrow(target), mask
        hits = _count(self.hits, *batch, thresholds=self.thresholds, apart=apart)
        return dataclasses.replace(self, hits=hits)

    def aligned_hits(self) -> Hits:
        """Returns the hits, where `actual` and `n` have the axes [T] or [T, K] too."""
        apart = self.num_classes is not None  # a stack of meters has more axes before
        actual, n = (..., None, slice(None)), (..., None, None)  # to [1, K] and [1, 1]
        actual, n = (actual, n) if apart else ((..., None), (..., None))  # to [1]
        actual, n = _index(self.hits.actual, actual), _index(self.hits.n, n)
        return Hits(self.hits.both, self.hits.predicted, actual, n)

    def percentages(self, part: Any, whole: Any) -> dict[float | str, Any]:
        """Returns `{threshold or "best": percent}` of aligned hits, [T] or [T, K].

        A percentage is a float, or [K] float32. That of nothing is 0, and NaN before
        anything was counted; "torchnet" makes 100 of both.
        """
        torchnet, n = self.convention == "torchnet", self.aligned_hits().n.floats()
        xp = namespace(n, part)
        percent = 100.0 * part / xp.where(whole > 0, whole, 1)  # [T] or [T, K]
        # of many at once a division may be off by a bit, but all of it is 100
        percent = xp.where(part == whole, 100.0, percent)
        percent = xp.where(whole > 0, percent, 100.0 if torchnet else 0.0)
        percent = xp.where(n > 0, percent, 100.0 if torchnet else math.nan)
        keys = self.thresholds or ("best",)
        if self.num_classes is None:
            return {key: percent[..., place] for place, key in enumerate(keys)}
        percent = percent.astype(np.float32)  # arrays of classes stay small
        return {key: percent[..., place, :] for place, key in enumerate(keys)}

    def summary(self) -> dict[str, Any]:
        """Returns the mean over classes for each threshold."""
        return {
            key if key == "best" else f"at_{key:g}": in_percent(np.mean(percent))
            for key, percent in self.value().items()
        }

    def _as_batch(self, output: Any, target: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Returns scores [..., K], labels [..., K] or classes [...], and the mask."""
        name, classes = f"{type(self).__name__}.add", self.num_classes
        output, target = self._as_scores(output, target, name)
        if output.ndim == 0 or classes not in (None, output.shape[-1]):
            raise ValueError(
                f"{name} needs output [B, {classes or 'K'}], a score for each class,"
                f" got {describe(output)}."
            )
        if self.thresholds is None and output.shape[-1] == 1:
            raise ValueError(
                f"{name} without thresholds predicts the best of two or more classes,"
                f" but output has one: {describe(output)}. Make it with"
                " thresholds=(0.5,)."
            )
        mask = as_rows(True if mask is None else mask, output.shape[:-1], name)
        if target.shape == output.shape:
            _check_labels(output, target, mask[..., None], name)
        return output, target, mask

    def _as_scores(self, output: Any, target: Any, name: str) -> tuple[Any, Any]:
        classes = self.num_classes
        if classes is None and self.thresholds is None or (classes or 1) > 1:
            if numbers := as_predicted(output, target, classes):
                return _scores_of(*numbers, classes=classes)
        output, target = same_rank(output, target)
        if classes == 1 and output.ndim == 1 and target.shape == output.shape:
            output, target = output[:, None], target[:, None]  # [B, 1]
        if target.shape != output.shape:
            return as_classes(output, target, name)
        output = as_real(output, f"{name} needs real scores", "output ")
        target = as_real(target, f"{name} needs labels that are 0 or 1", "target ")
        return output, target


def _check_labels(output: Any, target: Any, mask: Any, name: str) -> None:
    """Raises a ValueError if labels are NaN, or seem to be class numbers."""
    refuse_nan(target, name, mask)
    if as_predicted(output, target, None):
        needs = f"{name} needs labels that are 0 or 1 beside integers [B]"
        hint = "Of class numbers make it with num_classes=, or with thresholds=None."
        refuse(target, lambda target: target > 1, needs, mask, hint)


@functools.partial(jax.jit, static_argnames="classes", inline=True)
def _scores_of(predicted: Any, target: Any, *, classes: int | None) -> tuple[Any, Any]:
    """Returns scores [B, K], 1 for the predicted class, and class numbers [B]."""
    if classes is None:  # of all classes together only right and wrong are told apart
        known, classes = predicted >= 0, 2
        predicted = jnp.where(predicted == target, 0, 1)
        target = jnp.where(target >= 0, 0, -1)
    else:
        known = (predicted >= 0) & (predicted < classes)
    scores = jax.nn.one_hot(predicted, classes, dtype=jnp.float32)  # [B, K]
    # a number that is not a class predicts none
    return jnp.where(known[..., None], scores, jnp.nan), target


@functools.partial(jax.jit, static_argnames=("thresholds", "apart"), inline=True)
def _count(
    hits: Hits,
    output: Any,
    target: Any,
    seen: Any,
    *,
    thresholds: Thresholds,
    apart: bool,
) -> Hits:
    rows = output.shape[:-1]  # [...]
    seen = jnp.broadcast_to(seen, rows)  # [...]
    numbers = jax.lax.broadcasted_iota(jnp.int32, output.shape, len(rows))  # [..., K]
    if target.shape == output.shape:
        actual = target > 0  # [..., K]
    else:
        actual = target[..., None] == numbers  # one-hot, [..., K]
    actual = actual & seen[..., None]  # [..., K]
    if thresholds is None:
        predicted = [best_class(output)[..., None] == numbers]
    else:
        # in float32: beside bfloat16 a threshold would be rounded to bfloat16
        output = output.astype(jnp.promote_types(output.dtype, jnp.float32))
        predicted = [output >= threshold for threshold in thresholds]
    predicted = [each & seen[..., None] for each in predicted]  # T times [..., K]
    axes = tuple(range(len(rows))) if apart else None  # None: all classes together
    total = functools.partial(jnp.sum, axis=axes, dtype=jnp.int32)
    both = jnp.stack([total(each & actual) for each in predicted])  # [T] or [T, K]
    marked = jnp.stack([total(each) for each in predicted])  # [T] or [T, K]
    return Hits(
        both=hits.both + both,
        predicted=hits.predicted + marked,
        actual=hits.actual + total(actual),
        n=hits.n + seen.sum(dtype=jnp.int32),
    )


def _index(count: Count, index: Any) -> Count:
    return Count(*(as_array(word)[index] for word in (count.low, count.high)))
