"""Checks of the arguments of `add`: scores, class numbers and labels."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tntjax._array import as_array, namespace
from tntjax._struct import describe
from tntjax.meter.parts._inputs import (
    as_floats,
    as_real,
    as_rows,
    is_integer,
    narrow,
    read_at_once,
    refuse,
    refuse_nan,
)


def as_scores(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Converts scores and targets to real arrays; those on the host to float32."""
    scores = as_floats(output, np.float32, name, "scores")
    return scores, as_floats(target, np.float32, name, "targets")


def as_queries(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Converts scores and targets of candidates to real [B, C]; [C] is one query."""
    scores, targets = as_scores(output, target, name)
    if scores.ndim == 1 and scores.shape == targets.shape:
        scores, targets = scores[None], targets[None]
    if scores.shape != targets.shape or scores.ndim != 2:
        raise ValueError(
            f"{name} needs output [B, C], a score for each candidate, and target of the"
            f" same shape; got output {describe(scores)} and target"
            f" {describe(targets)}."
        )
    return scores, targets


def as_examples(output: Any, target: Any, mask: Any, name: str) -> tuple[Any, Any, Any]:
    """Returns scores [B] real, targets [B] bool and the mask of examples of a class."""
    scores, targets = map(without_last_axis, as_scores(output, target, name))
    if scores.shape != targets.shape or scores.ndim > 1:
        raise ValueError(
            f"{name} needs output [B], a score for each example, and target [B]; got"
            f" output {describe(scores)} and target {describe(targets)}. For scores of"
            " several classes use mAPMeter, or a meter for each class."
        )
    scores, targets = scores.reshape(-1), targets.reshape(-1)  # [B]
    mask = as_rows(mask, scores.shape, name)
    return scores, as_positive(targets, mask, name), mask


def as_positive(targets: Any, mask: Any, name: str) -> Any:
    """Returns where targets are above 0, after refusing NaN."""
    refuse_nan(targets, name, mask)
    return targets > 0


def as_class_numbers(numbers: Any) -> Any:
    """Casts to int32; what that does not hold becomes -1 or 2**31 - 1, not classes."""
    if numbers.dtype == np.int32:
        return numbers
    if not np.can_cast(numbers.dtype, np.int32):
        least = max(-1, jnp.iinfo(numbers.dtype).min)  # 0 of unsigned ones
        numbers = namespace(numbers).clip(numbers, least, 2**31 - 1)
    return numbers.astype(np.int32)


def as_classes(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Validates scores [..., K] and class numbers [...], which become int32."""
    output = as_real(output, f"{name} needs real scores", "output ")
    target = as_array(target)
    rows = output.shape[:-1]
    if output.ndim == 0 or target.shape not in (rows, (*rows, 1)):
        raise ValueError(
            f"{name} needs output [B, K], a score for each class, and target [B],"
            f" class numbers; got output {describe(output)} and target"
            f" {describe(target)}. {_hint(output, target)}"
        )
    check_class_numbers(target, name)
    target = as_class_numbers(target)
    return output, target if target.shape == rows else target.reshape(rows)


def _hint(output: Any, target: Any) -> str:
    if output.ndim == 0 or target.shape != output.shape:
        return "Give output a row of scores for each target."
    known = ""
    if output.ndim == 1 and is_integer(output):
        known = "ConfusionMeter counts class numbers that are predicted already. "
    elif output.ndim == 1:
        known = (
            "Of one score z of two classes pass jnp.stack([-z, z], -1), or [1 - z, z]"
            " of a probability. "
        )
    return f"{known}If target is one-hot, pass target.argmax(-1)."


def check_class_numbers(target: Any, name: str) -> None:
    """Raises a TypeError unless class numbers are integers."""
    if not is_integer(target):
        raise TypeError(
            f"{name} needs integer class numbers, got target {describe(target)}. Pass"
            " target.astype('int32') if they are whole."
        )


def as_predicted(output: Any, target: Any, num_classes: Any) -> tuple[Any, Any] | None:
    """Returns predicted class numbers [B] and true ones [B]; None of anything else.

    Both are integers [B], or [B, 1] if there are more classes than one.
    """
    if num_classes != 1:
        output, target = without_last_axis(output), without_last_axis(target)
    if output.shape != target.shape or output.ndim > 1:
        return None
    if not (is_integer(output) and is_integer(target)):
        return None
    return as_class_numbers(output), as_class_numbers(target)


def as_probabilities(output: Any, target: Any, name: str) -> tuple[Any, Any]:
    """Validates numbers [..., K] of classes or [...] of class 1, and classes [...]."""
    output, target = same_rank(as_array(output), as_array(target), longer=False)
    if output.shape != target.shape:
        output, target = as_classes(output, target, name)
    elif target.dtype != bool:
        check_class_numbers(target, name)
    output = as_real(output, f"{name} needs real numbers", "output ")
    return narrow(output), as_class_numbers(target)


def check_probabilities(output: Any, target: Any, mask: Any, meter: str) -> None:
    """Raises a ValueError if what can be read at once are logits, or one-hot targets.

    Without the latter, rows of K classes would be taken for K examples of two each.
    """
    if output.shape == target.shape and output.ndim > 1 and output.shape[-1] > 1:
        scores, labels = read_at_once(output), read_at_once(target)
        if scores is not None and labels is not None and _is_one_hot(scores, labels):
            raise ValueError(
                f"{meter}.add needs class numbers [B] beside probabilities [B, K], got"
                f" one-hot {describe(target)}. Pass target.argmax(-1)."
            )
    if mask is not None and output.ndim > target.ndim:
        mask = mask[..., None]  # [..., 1]
    least = jnp.finfo(jnp.float32).eps
    if jnp.issubdtype(output.dtype, jnp.floating):
        least = max(least, jnp.finfo(output.dtype).eps)
    beyond = 4 * float(least)  # a sum of exponentials is off by some roundings
    refuse(
        output,
        lambda output: (output < -beyond) | (output > 1 + beyond),
        f"{meter}.add needs probabilities from 0 to 1",
        mask,
        f"Of logits make it {meter}(logits=True).",
    )


def _is_one_hot(scores: np.ndarray, labels: np.ndarray) -> bool:
    """True if rows [..., K] of a softmax are beside rows with a single 1."""
    one_each = (labels.max(-1) == 1) & (np.abs(labels).sum(-1) == 1)  # [...]
    shared = np.abs(scores.astype(np.float32).sum(-1) - 1) < 1e-2  # also in bfloat16
    return bool(labels.size and (one_each & shared).all())


def same_rank(output: Any, target: Any, longer: bool = True) -> tuple[Any, Any]:
    """Reshapes [B, 1] beside [B] to one shape; anything else stays as it is."""
    if output.shape == (*target.shape, 1):
        return (output, target[..., None]) if longer else (output[..., 0], target)
    if target.shape == (*output.shape, 1):
        return (output[..., None], target) if longer else (output, target[..., 0])
    return output, target


def without_last_axis(array: Any) -> Any:
    """Reshapes [B, 1] to [B]; anything else stays as it is."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def best_class(output: jax.Array) -> jax.Array:
    """Finds the first of the best scored classes, int32 [...]; -1 beside a NaN."""
    # On a CPU XLA finds maxima several times as fast as their places. So it's first the
    # best of a few neighbours, then their place; and there a maximum may miss a NaN.
    *rows, classes = output.shape
    width = math.gcd(classes, 8)
    parts = output.reshape(*rows, classes // width, width)  # [..., K / width, width]
    part = jnp.argmax(parts.max(-1), -1)[..., None]  # [..., 1]
    scores = jnp.take_along_axis(parts, part[..., None], -2)[..., 0, :]  # [..., width]
    best = part[..., 0] * width + jnp.argmax(scores, -1)  # [...]
    return jnp.where((output != output).any(-1), -1, best).astype(jnp.int32)
