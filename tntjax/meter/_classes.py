"""Scores of several classes, as `APMeter` and `mAPMeter` take and keep them."""

import operator
from typing import Any

from tntjax._struct import describe
from tntjax.meter import _rows, _scores
from tntjax.meter._inputs import as_rows, check_convention
from tntjax.meter._labels import same_rank


def start(meter: Any) -> None:
    """Checks the arguments of a meter that is being made and gives it its columns."""
    name = type(meter).__name__
    check_convention(meter)
    _rows.check_count(meter.num_classes, f"{name} needs num_classes")
    _rows.start(meter, form(meter))


def form(meter: Any) -> _rows.Form:
    """Returns the columns of the meter."""
    return _scores.form(_known(meter) or 1)


def _known(meter: Any) -> int | None:
    """How many classes the meter must have; None if that's open."""
    if meter.num_classes is not None:
        return operator.index(meter.num_classes)
    if meter.capacity is not None:
        return 1
    return meter.scores[0].shape[1] if meter.scores else None


def add(
    meter: _rows.Meter, output: Any, target: Any, weight: Any, mask: Any
) -> _rows.Meter:
    """Adds examples of all classes."""
    name, classes = f"{type(meter).__name__}.add", _known(meter)
    scores, targets = _scores.check_pair(output, target, name)
    scores, targets = same_rank(scores, targets)
    if scores.ndim < 2 and scores.shape == targets.shape:
        row = (1, -1) if (meter.num_classes or 1) > 1 else (-1, 1)
        scores, targets = scores.reshape(row), targets.reshape(row)
    wanted = (scores.shape[0], classes or scores.shape[-1])
    if not scores.shape == targets.shape == wanted:
        raise ValueError(
            f"{name} needs output [B, {classes or 'K'}], a score for each class, and"
            f" target of the same shape; got output {describe(scores)} and target"
            f" {describe(targets)}. A meter of K classes with room for N examples is"
            f" {type(meter).__name__}(N, K)."
        )
    mask = as_rows(mask, scores.shape[:1], name)
    rows = None if mask is None else mask[:, None]
    columns = {"scores": scores, "targets": _scores.positive(targets, rows, name)}
    return _scores.add_rows(meter, columns, weight, mask, _scores.form(wanted[1]))


def merge(meter: _rows.Meter, other: Any) -> _rows.Meter:
    """Returns one meter for the examples of both."""
    made_with = ("capacity", "num_classes", "convention")
    _rows.check_same(meter, other, made_with)
    mine, others = _known(meter), _known(other)
    if None not in (mine, others) and mine != others:
        raise ValueError(
            f"{type(meter).__name__}.merge needs two meters of as many classes, got"
            f" {mine} and {others}."
        )
    return _rows.merge(meter, other, _scores.COLUMNS, made_with)
