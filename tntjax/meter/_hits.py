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
from tntjax.meter._inputs import as_classes, as_real, as_rows, best_class, check_size
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
    """Makes `meter.thresholds` a tuple, and gives it hits to count if it has none."""
    name, thresholds = type(meter).__name__, _as_thresholds(meter)
    object.__setattr__(meter, "thresholds", thresholds)
    if meter.num_classes is not None:
        size = check_size(meter.num_classes, f"{name} needs num_classes")
        object.__setattr__(meter, "num_classes", size)
    if meter.hits is None:
        classes = () if meter.num_classes is None else (meter.num_classes,)
        cells = Count.zeros((len(thresholds or (None,)), *classes))
        hits = Hits(cells, cells, Count.zeros(classes), Count.zeros(()))
        object.__setattr__(meter, "hits", hits)


def _as_thresholds(meter: Any) -> Thresholds:
    name, given = type(meter).__name__, meter.thresholds
    if given is None:
        return None
    if not isinstance(given, list | tuple):
        raise TypeError(
            f"{name} needs a tuple of thresholds, such as (0.5,), or None for the best"
            f" class; got {describe(given)}."
        )
    if not given or any(math.isnan(threshold) for threshold in given):
        raise ValueError(f"{name} needs one or more thresholds, got {given}.")
    return tuple(map(float, given))


def count_hits(meter: Any, output: Any, target: Any, mask: Any) -> Hits:
    """Returns the hits of a meter with those of a batch counted in."""
    name = f"{type(meter).__name__}.add"
    output, target = as_array(output), as_array(target)
    if target.shape != output.shape:
        output, target = as_classes(output, target, name)
    output = as_real(output, f"{name} needs real scores", "output ")
    target = as_real(target, f"{name} needs labels that are 0 or 1", "target ")
    if output.ndim == 0 or meter.num_classes not in (None, output.shape[-1]):
        classes = "K" if meter.num_classes is None else meter.num_classes
        raise ValueError(
            f"{name} needs output [B, {classes}], a score for each class, got"
            f" {describe(output)}."
        )
    rows = output.shape[:-1]
    seen = as_rows(True if mask is None else mask, rows, name)
    apart = meter.num_classes is not None
    found = _count(output, target, seen, thresholds=meter.thresholds, apart=apart)
    return meter.hits + Hits(*map(Count.of, found))


@functools.partial(jax.jit, static_argnames=("thresholds", "apart"), inline=True)
def _count(
    output: Any, target: Any, seen: Any, *, thresholds: Thresholds, apart: bool
) -> tuple:
    """Counts in a batch, int32: both, predicted, actual, and the examples."""
    rows, classes = output.shape[:-1], output.shape[-1]
    seen = jnp.broadcast_to(seen, rows)
    numbers = jnp.arange(classes, dtype=jnp.int32)
    if target.shape == output.shape:
        actual = target > 0
    else:
        actual = target[..., None].astype(jnp.int32) == numbers
    actual = actual & seen[..., None]
    if thresholds is None:
        predicted = [best_class(output)[..., None] == numbers]
    else:
        predicted = [output >= threshold for threshold in thresholds]
    predicted = [each & seen[..., None] for each in predicted]
    axes = tuple(range(len(rows))) if apart else None
    total = functools.partial(jnp.sum, axis=axes, dtype=jnp.int32)
    both = jnp.stack([total(each & actual) for each in predicted])
    marked = jnp.stack([total(each) for each in predicted])
    return both, marked, total(actual), seen.sum(dtype=jnp.int32)


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
    """What the repr of such a meter shows: the mean over its classes."""
    shown = {
        key if key == "best" else f"at_{key:g}": f"{np.mean(percent):.6g}"
        for key, percent in meter.value().items()
    }
    return {**shown, "n": int(meter.n)}
