"""Scores of two kinds of rows, sorted: what is above each threshold.

The host sorts with NumPy, several times faster than XLA on a CPU, and sums in
float64. Compiled code does the same over a fixed number of slots, with counts that are
exact up to 2**24 and sums in pairs, whose error grows with the logarithm of the rows.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tntjax.meter._meter import is_traced
from tntjax.meter.parts._rows import MeterOfRows
from tntjax.meter.parts._sums import sum_in_pairs


class Points(NamedTuple):
    """Sums of what is above falling thresholds, rows of one score together.

    On the host there is a point for each distinct score, in compiled code one for each
    slot: rows of one score have the same, as have free slots that of the last row.
    """

    hits: Any  # [P] float, the number of positive rows above
    true: Any  # [P] float, the weight of the positive rows above
    false: Any  # [P] float, the weight of the negative rows above
    threshold: Any  # [P] float32, the lowest score above
    repeats: Any  # [P] the number of slots that a point stands for; None if one each

    def along(self, first: Any, values: Any) -> Any:
        """Returns a curve [slots + 1] float32: its first value, then one a slot."""
        xp = np if self.repeats is not None else jnp
        if self.repeats is not None and len(values) != self.repeats.sum():
            values = np.repeat(values, self.repeats)
        return xp.concatenate([xp.full(1, first), values]).astype(np.float32)

    def thresholds(self) -> Any:
        """Returns the curve of thresholds, the first above all scores."""
        xp = np if self.repeats is not None else jnp
        first = xp.where(xp.isnan(self.threshold[-1]), np.nan, np.inf)
        return self.along(first, self.threshold)


def measure(meter: MeterOfRows, compute: Callable[[ModuleType, Points], Any]) -> Any:
    """Computes float32 arrays from a meter's points, on the host unless it's traced.

    They have an axis of classes, or of a stack by `vmap`, if the meter has one. One
    that overflows raises a ValueError; traced values are NaN then.
    """
    leaves = meter.joined()
    if is_traced(leaves):

        def one(*leaves: Any) -> Any:
            return _measure_traced(compute, *leaves)

        for _ in range(np.ndim(leaves[-1])):
            one = jax.vmap(one)
        return one(*leaves)
    meter.check_room()
    with np.errstate(all="ignore"):
        return _measure_on_host(compute, *map(np.asarray, leaves))


def _measure_on_host(
    compute: Any, scores: Any, targets: Any, weights: Any, n: Any
) -> Any:
    if n.ndim:  # a stack of meters
        stack = zip(scores, targets, weights, n, strict=True)
        return _stack([_measure_on_host(compute, *each) for each in stack])
    if scores.ndim == 2:  # [capacity, K]
        classes = zip(scores.T, targets.T, strict=True)
        return _stack([_measure_on_host(compute, *c, weights, n) for c in classes])
    rows = scores[:n], targets[:n], weights[:n]  # without free slots
    return compute(np, _points_on_host(*rows, slots=len(scores)))


def _stack(trees: list) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _points_on_host(scores: Any, targets: Any, weights: Any, slots: int) -> Points:
    kept = weights != 0
    if not kept.all():
        scores, targets, weights = scores[kept], targets[kept], weights[kept]
    if len(scores) == 0:
        nan, rows = np.full(1, np.nan), np.array([slots])
        return Points(nan, nan, nan, nan, rows)
    order, ends = _sort_falling(scores)  # [n], [P]
    hits = np.cumsum(targets[order], dtype=np.float64)[ends]  # [P]
    if (weights == 1).all():
        true, false = hits, ends + 1 - hits  # [P]
    else:
        weights, above = weights[order].astype(np.float64), targets[order]
        true = np.cumsum(np.where(above, weights, 0))[ends]  # [P]
        false = np.cumsum(np.where(above, 0, weights))[ends]  # [P]
    nan = np.float32(np.nan if np.isnan(scores).any() else 0)  # spoils what it joins
    repeats = np.diff(ends, prepend=-1)  # [P]
    repeats[-1] += slots - len(scores)  # free slots repeat the last point
    sums = (hits + nan, true + nan, false + nan)
    return Points(*sums, scores[order[ends]] + nan, repeats)


def _sort_falling(scores: Any) -> tuple[Any, Any]:
    """Finds the order of falling scores, the first of equals first, and the ends.

    Sorts one integer for each score, its bits before its position: NumPy sorts plain
    numbers several times faster than it finds the order of an array.
    """
    bits = (scores + np.float32(0)).view(np.int32)  # + 0 makes one zero of two
    rising = np.where(bits < 0, bits ^ np.int32(2**31 - 1), bits)  # as the scores do
    keys = (~rising).astype(np.int64) << 32  # [n], the highest score first
    keys |= np.arange(len(scores))
    keys.sort()
    falling = keys >> 32
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    return keys & (2**32 - 1), ends


def _measure_traced(
    compute: Any, scores: Any, targets: Any, weights: Any, n: Any
) -> Any:
    def one(scores: Any, targets: Any) -> Any:
        return compute(jnp, _points_traced(scores, targets, weights, n))

    if scores.ndim == 2:
        one = jax.vmap(one, in_axes=1)  # over classes, [slots, K]
    return one(scores, targets)


def _points_traced(scores: Any, targets: Any, weights: Any, n: Any) -> Points:
    slots = scores.shape[0]
    # Rows without weight, as those of free slots, go to the end and count for nothing.
    kept = weights != 0  # [slots]
    lowest = jnp.min(scores, initial=jnp.inf, where=kept)
    spoiled = (n > slots) | jnp.any(kept & jnp.isnan(scores)) | ~kept.any()
    signed = jnp.where(targets, weights, -weights)  # one array to sort along, not two
    falling, signed = jax.lax.sort(
        (jnp.where(kept, -scores, jnp.inf), signed), num_keys=1
    )
    last = jnp.append(falling[1:] != falling[:-1], True)  # [slots] of equal scores
    position = jnp.arange(slots, dtype=jnp.int32)  # [slots]
    # [slots], where the rows of each row's score end
    ends = jax.lax.cummin(jnp.where(last, position, slots), reverse=True)
    nan = jnp.where(spoiled, jnp.nan, 0).astype(jnp.float32)
    hits, true, false = (
        jnp.cumsum(part.astype(jnp.float32))[ends] + nan
        for part in (signed > 0, jnp.maximum(signed, 0), jnp.maximum(-signed, 0))
    )
    return Points(hits, true, false, jnp.maximum(-falling, lowest) + nan, None)


def difference(xp: ModuleType, values: Any) -> Any:
    """Subtracts from each value the one before it, 0 from the first."""
    return values - shift(xp, values)


def shift(xp: ModuleType, values: Any) -> Any:
    """Returns the value before each, 0 before the first."""
    return xp.concatenate([xp.zeros(1, values.dtype), values[:-1]])


def area(xp: ModuleType, points: Points) -> Any:
    """Returns the area under the ROC curve, [] float32."""
    true, false = points.true, points.false  # [P]
    # by trapezia, as rows of equal scores are passed along a straight line
    heights = (true + shift(xp, true)) / 2  # [P]
    # divided before they are summed, as the products are large
    parts = (difference(xp, false) / false[-1]) * (heights / true[-1])
    return sum_in_pairs(xp, parts).astype(np.float32)


def precision(points: Points) -> Any:
    """Returns the share of positive weight above each threshold, [P] float."""
    return points.true / (points.true + points.false)


def average_precision(
    xp: ModuleType, points: Points, convention: str = "standard"
) -> Any:
    """Returns the mean precision at the positive rows, [] float32."""
    torchnet = convention == "torchnet"
    counted = points.hits if torchnet else points.true  # [P]
    of = xp.maximum(counted[-1], 1) if torchnet else counted[-1]
    parts = (difference(xp, counted) / of) * precision(points)  # [P]
    return sum_in_pairs(xp, parts).astype(np.float32)


def summarize(meter: MeterOfRows, key: str, compute: Callable) -> dict[str, Any]:
    """Returns what a meter on the host shows of itself: one number."""
    if meter.overflows():
        return {key: "overflow", "capacity": meter.capacity}
    return {key: measure(meter, compute)}
