"""Scores: one number that says how good something is."""

import math
import numbers
from typing import Any

from tntjax._struct import describe


def as_score(value: Any, name: str) -> float:
    """Turns what a score function returned into a number.

    Args:
      value: a number of Python, NumPy or JAX, or an array of shape [] of any of them.
      name: of the function, for the error.

    Returns:
      The number as a float of Python, as exact as it came.

    Raises:
      TypeError: if it is something else.

    Example:
      >>> as_score((0.5, 0.1), "plateau: score")
      Traceback (most recent call last):
      ...
      TypeError: plateau: score must return one number, got (0.5, 0.1). Return a \
number, such as state.meters["loss"].value().mean.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    number = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    if number and kind not in "cmMOSTU":
        try:
            return float(value)
        except (TypeError, ValueError):  # such as a PRNG key
            pass
    came = describe(value)
    advice = 'Return a number, such as state.meters["loss"].value().mean.'
    if fields := getattr(value, "_fields", ()):
        came = f"{type(value).__name__} with the fields {', '.join(fields)}"
        advice = f"Return one of them, such as meter.value().{fields[0]}."
    raise TypeError(f"{name} must return one number, got {came}. {advice}")


def is_better(
    score: float, best: float | None, maximize: bool, min_delta: float = 0.0
) -> bool:
    """True if a score is better than the best one by more than `min_delta`.

    Args:
      score: a number. NaN is never better, nor is the worst infinity.
      best: the best so far, None if there is none.
      maximize: whether a higher score is better.
      min_delta: by how much more than this it must be better.

    Returns:
      A bool.

    Example:
      >>> is_better(0.5, None, False), is_better(0.5, 0.5, False)
      (True, False)
    """
    worst = -math.inf if maximize else math.inf
    if math.isnan(score) or score == worst or best is None:
        return not math.isnan(score) and score != worst
    return (score - best if maximize else best - score) > min_delta
