"""Scores and what they are of, as a meter takes and keeps them."""

from typing import Any

import numpy as np

from tntjax._struct import describe
from tntjax.meter import _rows
from tntjax.meter._inputs import as_floats, as_rows, refuse, refuse_nan
from tntjax.meter._labels import without_last_axis
from tntjax.utils import namespace, over_rows

COLUMNS = ("scores", "targets", "weights")


def form(num_classes: int | None = None) -> _rows.Form:
    """The columns of a meter of scores: [slots], or [slots, K] for K classes."""
    row = () if num_classes is None else (num_classes,)
    return {
        "scores": (row, np.float32),
        "targets": (row, bool),
        "weights": ((), np.float32),
    }


def add(
    meter: _rows.Meter, output: Any, target: Any, weight: Any, mask: Any
) -> _rows.Meter:
    """Adds examples of one class to a meter of scores."""
    scores, targets, mask = check_examples(meter, output, target, mask)
    return add_rows(meter, {"scores": scores, "targets": targets}, weight, mask, form())


def check_examples(
    meter: Any, output: Any, target: Any, mask: Any
) -> tuple[Any, Any, Any]:
    """Returns scores [B] real, targets [B] bool and the mask of examples of a class."""
    name = f"{type(meter).__name__}.add"
    scores, targets = check_pair(output, target, name)
    scores, targets = without_last_axis(scores), without_last_axis(targets)
    if scores.shape != targets.shape or scores.ndim > 1:
        raise ValueError(
            f"{name} needs output [B], a score for each example, and target [B]; got"
            f" output {describe(scores)} and target {describe(targets)}. For scores of"
            " several classes use mAPMeter, or a meter for each class."
        )
    scores, targets = scores.reshape(-1), targets.reshape(-1)
    mask = as_rows(mask, scores.shape, name)
    return scores, positive(targets, mask, name), mask


def positive(targets: Any, mask: Any, name: str) -> Any:
    """Returns where targets are above 0, after refusing NaN."""
    refuse_nan(targets, name, mask)
    return targets > 0


def add_rows(
    meter: _rows.Meter, columns: dict, weight: Any, mask: Any, columns_form: _rows.Form
) -> _rows.Meter:
    """Adds scores and targets after checking the weight that goes with each row.

    The mask is one of `as_rows`.
    """
    name, size = f"{type(meter).__name__}.add", (len(columns["scores"]),)
    weight = as_floats(1 if weight is None else weight, np.float32, name, "weights")
    weight = over_rows(without_last_axis(weight), size, f"{name}: weight")
    refuse(
        weight,
        lambda weight: ~((weight >= 0) & np.isfinite(weight)),
        f"{name} needs finite weights >= 0",
        mask,
    )
    weights = namespace(weight).broadcast_to(weight, size)
    return _rows.add(meter, columns | {"weights": weights}, mask, columns_form)


def check_pair(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Returns scores and targets as arrays, after checking that they are real.

    What lies on the host becomes float32 here, since JAX would cut a large int64.
    """
    scores = as_floats(output, np.float32, name, "scores")
    return scores, as_floats(target, np.float32, name, "targets")
