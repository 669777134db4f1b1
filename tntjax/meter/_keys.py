"""The numbers that a meter keeps a value for each: sorted, and each once."""

import math
from typing import Any

import numpy as np

from tntjax._struct import describe


def check_topk(topk: Any, name: str) -> tuple[int, ...]:
    """Returns topk sorted, each k once.

    Args:
      topk: what should be a sequence of integers.
      name: the meter, for the error.

    Raises:
      TypeError: if it isn't a sequence of integers.
      ValueError: if it's empty or has a number below 1.
    """
    numbers = _listed(topk)
    if numbers is None or not all(isinstance(k, int | np.integer) for k in numbers):
        raise TypeError(
            f"{name} needs topk to be a tuple of integers, such as (1, 5), got"
            f" {describe(topk)}."
        )
    if not numbers or min(numbers) < 1:
        raise ValueError(
            f"{name} needs one or more k >= 1 in topk, got {describe(topk)}."
        )
    return tuple(sorted(set(map(int, numbers))))


def check_levels(
    levels: Any, name: str, what: str, least: float = -math.inf, most: float = math.inf
) -> tuple[float, ...]:
    """Returns levels, such as thresholds, sorted and each once.

    Args:
      levels: what should be a sequence of numbers.
      name: the meter, for the error.
      what: what they are, for the error.
      least: the least that one may be.
      most: the most.

    Raises:
      TypeError: if it isn't a sequence of numbers.
      ValueError: if it's empty or has a number out of range.
    """
    numbers = _listed(levels)
    kinds = int | float | np.integer | np.floating
    if numbers is None or not all(isinstance(number, kinds) for number in numbers):
        raise TypeError(
            f"{name} needs a tuple of {what}, such as (0.5, 0.9), got"
            f" {describe(levels)}."
        )
    if not numbers or not all(least <= number <= most for number in numbers):
        between = "" if least == -math.inf else f" from {least:g} to {most:g}"
        raise ValueError(f"{name} needs one or more {what}{between}, got {levels}.")
    return tuple(sorted(set(map(float, numbers))))


def _listed(numbers: Any) -> list | None:
    """Returns what a sequence or a vector holds; None of others, and beside a bool."""
    if isinstance(numbers, np.ndarray) and numbers.ndim == 1:
        numbers = numbers.tolist()
    if not isinstance(numbers, list | tuple | range):
        return None
    return None if any(isinstance(n, bool | np.bool_) for n in numbers) else [*numbers]
