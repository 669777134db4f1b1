"""Scores and what they are of, as a meter takes and keeps them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._struct import describe
from tntjax.meter import _rows
from tntjax.utils import as_array, as_mask, over_rows

COLUMNS = ("scores", "targets", "weights")
CONVENTIONS = ("standard", "torchnet")


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
    scores, targets = check_examples(meter, output, target)
    return add_rows(meter, {"scores": scores, "targets": targets}, weight, mask, form())


def check_examples(meter: Any, output: Any, target: Any) -> tuple[Any, Any]:
    """Returns scores [B] real and targets [B] bool of examples of one class."""
    name = f"{type(meter).__name__}.add"
    scores, targets = check_pair(output, target, name)
    scores, targets = (_without_last_axis(array) for array in (scores, targets))
    if scores.shape != targets.shape or scores.ndim > 1:
        raise ValueError(
            f"{name} needs output [B], a score for each example, and target [B]; got"
            f" output {describe(scores)} and target {describe(targets)}. For scores of"
            " several classes use mAPMeter, or a meter for each class."
        )
    return scores.reshape(-1), targets.reshape(-1) > 0


def add_rows(
    meter: _rows.Meter, columns: dict, weight: Any, mask: Any, columns_form: _rows.Form
) -> _rows.Meter:
    """Adds scores and targets after checking what goes with each row."""
    name, size = f"{type(meter).__name__}.add", (len(columns["scores"]),)
    weight = _as_real(1 if weight is None else weight, f"{name} needs real weights")
    weight = over_rows(_without_last_axis(weight), size, f"{name}: weight")
    weights = (jnp if isinstance(weight, jax.Array) else np).broadcast_to(weight, size)
    if mask is not None:
        mask = as_mask(mask, size, f"{name}: mask")
    return _rows.add(meter, columns | {"weights": weights}, mask, columns_form)


def check_pair(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Returns scores and targets as arrays, after checking that they are real.

    What lies on the host becomes float32 here, since JAX would cut a large int64.
    """
    scores = _as_real(output, f"{name} needs real scores")
    return scores, _as_real(target, f"{name} needs real targets")


def _as_real(value: Any, subject: str) -> Any:
    array = as_array(value)
    kind = array.dtype.kind
    if kind not in "fbiu" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"{subject}, got {describe(array)}.")
    if isinstance(array, jax.Array):
        return array
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _without_last_axis(array: Any) -> Any:
    """[B, 1] as [B]."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def check_convention(convention: Any, name: str) -> None:
    """Raises a ValueError unless it's one of the two."""
    if convention not in CONVENTIONS:
        raise ValueError(
            f'{name} needs convention "standard" or "torchnet", got {convention!r}.'
        )
