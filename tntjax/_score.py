"""Scores: one number that says how good something is."""

import math
import numbers
from typing import Any

from tntjax._struct import describe


def as_score(value: Any, name: str) -> float:
    """Turns what a score function returned, a number or an array [], into a float.

    Raises:
      TypeError: `"{name} must return one number, got ..."`.
      ValueError: if it is too large for a float.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    number = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    if number and kind not in "cmMOSTU":
        try:
            return float(value)
        except (TypeError, ValueError):  # such as a PRNG key
            pass
        except OverflowError:  # whose text may be too long to be shown
            raise ValueError(
                f"{name} must return a number that a float can hold, got an integer"
                " beyond 10**308. Scale it, or take its logarithm."
            ) from None
    came = describe(value)
    advice = 'Return a number, such as state.meters["loss"].value().mean.'
    if fields := getattr(value, "_fields", ()):
        came = f"{type(value).__name__} with the fields {', '.join(fields)}"
        advice = f"Return one of them, such as meter.value().{fields[0]}."
    raise TypeError(f"{name} must return one number, got {came}. {advice}")


def is_better(
    score: float, best: float | None, maximize: bool, min_delta: float = 0.0
) -> bool:
    """True if a score is better than the best one, if any, by more than `min_delta`.

    NaN is never better, nor is the worst infinity.
    """
    worst = -math.inf if maximize else math.inf
    if math.isnan(score) or score == worst or best is None:
        return not math.isnan(score) and score != worst
    return (score - best if maximize else best - score) > min_delta
