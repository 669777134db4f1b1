"""What precision, recall and F have in common: how often a prediction was right."""

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe, pytree
from tntjax.meter._count import Count
from tntjax.meter._inputs import (
    as_real,
    as_rows,
    best_class,
    check_size,
    narrow,
    refuse,
    refuse_nan,
)
from tntjax.meter._keys import check_levels
from tntjax.meter._labels import as_classes, as_predicted, same_rank
from tntjax.meter._show import in_percent
from tntjax.utils import as_array, host_or_device

Thresholds = tuple[float, ...] | None


@pytree
class Hits:
    """Counts for each of T thresholds, and for each of K classes if they are apart.

    Args:
      both: [T] or [T, K], predicted and so.
      predicted: [T] or [T, K].
      actual: [] or [K].
      n: [], how many examples were counted.
    """

    both: Count
    predicted: Count
    actual: Count
    n: Count

    def __add__(self, other: "Hits") -> "Hits":
        return Hits(
            self.both + other.both,
            self.predicted + other.predicted,
            self.actual + other.actual,
            self.n + other.n,
        )


def check_thresholds(meter: Any) -> None:
    """Sorts `meter.thresholds`, and gives the meter hits to count if it has none."""
    name, thresholds = type(meter).__name__, meter.thresholds
    if thresholds is not None:
        thresholds = check_levels(thresholds, name, "thresholds")
    object.__setattr__(meter, "thresholds", thresholds)
    if meter.num_classes is not None:
        size = check_size(meter.num_classes, f"{name} needs num_classes")
        object.__setattr__(meter, "num_classes", size)
    if meter.hits is None:
        classes = () if meter.num_classes is None else (meter.num_classes,)
        cells = Count.zeros((len(thresholds or (None,)), *classes))
        hits = Hits(cells, cells, Count.zeros(classes), Count.zeros(()))
        object.__setattr__(meter, "hits", hits)


def count_hits(meter: Any, output: Any, target: Any, mask: Any) -> Hits:
    """Returns the hits of a meter with those of a batch counted in."""
    name = f"{type(meter).__name__}.add"
    output, target = _as_scores(meter, as_array(output), as_array(target), name)
    if output.ndim == 0 or meter.num_classes not in (None, output.shape[-1]):
        classes = "K" if meter.num_classes is None else meter.num_classes
        raise ValueError(
            f"{name} needs output [B, {classes}], a score for each class, got"
            f" {describe(output)}."
        )
    if meter.thresholds is None and output.shape[-1] == 1:
        raise ValueError(
            f"{name} without thresholds predicts the best of two or more classes, but"
            f" output has one: {describe(output)}. Make it with thresholds=(0.5,)."
        )
    seen = as_rows(True if mask is None else mask, output.shape[:-1], name)
    if target.shape == output.shape:
        _check_labels(output, target, seen[..., None], name)
    apart = meter.num_classes is not None
    batch = narrow(output), narrow(target), seen
    return _count(meter.hits, *batch, thresholds=meter.thresholds, apart=apart)


def _as_scores(meter: Any, output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Returns scores [..., K], and labels of that shape or class numbers [...]."""
    classes = meter.num_classes
    if classes is None and meter.thresholds is None or (classes or 1) > 1:
        if numbers := as_predicted(output, target, classes):
            return _scores_of(*numbers, classes=classes)
    output, target = same_rank(output, target)
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
    """Returns scores [B, K] that are 1 for the predicted class, and class numbers [B].

    A number that is not a class predicts none: its scores are NaN.
    """
    if classes is None:  # of all classes together only right and wrong are told apart
        known, classes = predicted >= 0, 2
        predicted = jnp.where(predicted == target, 0, 1)
        target = jnp.where(target >= 0, 0, -1)
    else:
        known = (predicted >= 0) & (predicted < classes)
    scores = jax.nn.one_hot(predicted, classes, dtype=jnp.float32)
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
    """Counts a batch in."""
    rows, classes = output.shape[:-1], output.shape[-1]
    seen = jnp.broadcast_to(seen, rows)
    numbers = jnp.arange(classes, dtype=jnp.int32)
    if target.shape == output.shape:
        actual = target > 0
    else:
        actual = target[..., None] == numbers
    actual = actual & seen[..., None]
    if thresholds is None:
        predicted = [best_class(output)[..., None] == numbers]
    else:
        # in float32: beside bfloat16 a threshold would be rounded to bfloat16
        output = output.astype(jnp.promote_types(output.dtype, jnp.float32))
        predicted = [output >= threshold for threshold in thresholds]
    predicted = [each & seen[..., None] for each in predicted]
    axes = tuple(range(len(rows))) if apart else None
    total = functools.partial(jnp.sum, axis=axes, dtype=jnp.int32)
    both = jnp.stack([total(each & actual) for each in predicted])
    marked = jnp.stack([total(each) for each in predicted])
    batch = both, marked, total(actual), seen.sum(dtype=jnp.int32)
    return hits + Hits(*map(Count.of, batch))


def ratio(
    meter: Any, over: Callable[[Hits], tuple[Any, Any]], empty: float
) -> dict[float | str, Any]:
    """Returns `{threshold or 'best': percent}` of a numerator and a denominator.

    Args:
      meter: a meter with hits.
      over: given hits, the float numerator and denominator.
      empty: the percentage where the denominator is 0 although examples were counted.

    Returns:
      For each threshold [] or [K] float32; NaN if nothing was counted.
    """
    apart = meter.num_classes is not None
    hits = _spread(meter.hits, apart)
    torchnet = getattr(meter, "convention", None) == "torchnet"
    nothing = empty if torchnet else math.nan
    percent = _percent(*over(hits), hits.n, np.float32(empty), np.float32(nothing))
    keys = meter.thresholds or ("best",)
    places = range(len(keys))
    shown = [percent[..., p, :] if apart else percent[..., p] for p in places]
    return dict(zip(keys, shown, strict=True))


def _spread(hits: Hits, apart: bool) -> Hits:
    """Gives what has no axis of thresholds one of length 1, stacked or not."""
    after = (..., None, None) if apart else (..., None)
    within = (..., None, slice(None)) if apart else (..., None)
    actual, n = _indexed(hits.actual, within), _indexed(hits.n, after)
    return Hits(hits.both, hits.predicted, actual, n)


def _indexed(count: Count, index: Any) -> Count:
    return Count(*(as_array(word)[index] for word in (count.low, count.high)))


@host_or_device
def _percent(
    xp: ModuleType, part: Any, whole: Any, n: Count, empty: Any, nothing: Any
) -> Any:
    percent = np.float32(100) * part / xp.where(whole > 0, whole, 1)
    # of many at once a division may be off by a bit, but all of it is 100
    percent = xp.where(part == whole, np.float32(100), percent)
    percent = xp.where(whole > 0, percent, empty)
    return xp.where(n.floats() > 0, percent, nothing).astype(np.float32)


def show_hits(meter: Any) -> dict[str, Any]:
    """Returns what the repr of such a meter shows: the mean over its classes."""
    shown = {
        key if key == "best" else f"at_{key:g}": in_percent(np.mean(percent))
        for key, percent in meter.value().items()
    }
    return {**shown, "n": int(meter.n)}
