import math
from typing import Any

import numpy as np

from tntjax._numbers import check_integer, check_number
from tntjax._struct import describe

CONVENTIONS = ("standard", "torchnet")


def check_convention(meter: Any) -> None:
    """Raises a ValueError unless `meter.convention` is one of the two."""
    if meter.convention not in CONVENTIONS:
        raise ValueError(
            f"{type(meter).__name__} needs convention to be 'standard' or 'torchnet',"
            f" got {describe(meter.convention)}."
        )


def check_size(size: Any, subject: str) -> int:
    """Converts to a Python int >= 1, or raises "`subject` >= 1, got 0."."""
    size = check_integer(size, f"{subject} to be an integer")
    if size < 1:
        raise ValueError(f"{subject} >= 1, got {size}.")
    return size


def check_optional_size(size: Any, subject: str) -> int | None:
    """Does what `check_size` does, and takes None."""
    return None if size is None else check_size(size, subject)


def check_topk(topk: Any, name: str) -> tuple[int, ...]:
    """Returns a sequence of integers >= 1 sorted, each k once, or raises."""
    numbers = _as_list(topk)
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
    """Returns numbers in a range, such as thresholds, sorted, each once, or raises."""
    numbers = _as_list(levels)
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


def _as_list(numbers: Any) -> list | None:
    """Lists the entries of a sequence or vector; None of others, or beside a bool."""
    if isinstance(numbers, np.ndarray) and numbers.ndim == 1:
        numbers = numbers.tolist()
    if not isinstance(numbers, list | tuple | range):
        return None
    return None if any(isinstance(n, bool | np.bool_) for n in numbers) else [*numbers]


def bin_edges(low: float, high: float, bins: int) -> np.ndarray:
    """Computes the edges of bins of equal width, float32 [bins + 1]."""
    with np.errstate(over="ignore"):
        return np.linspace(low, high, bins + 1).astype(np.float32)


def check_bins(
    low: Any, high: Any, bins: Any, name: str, argument: str
) -> tuple[float, float, int]:
    """Returns low, high and how many bins, if edges are finite and rise, or raises."""
    first, last = check_number(f"{name}: low", low), check_number(f"{name}: high", high)
    bins = check_size(bins, f"{name} needs {argument}")
    if not (math.isfinite(first) and math.isfinite(last - first) and first < last):
        raise ValueError(
            f"{name} needs finite low < high, got low={low} and high={high}."
        )
    edges = bin_edges(first, last, bins)
    if not (np.isfinite(edges).all() and (edges[:-1] < edges[1:]).all()):
        raise ValueError(
            f"{name} needs bins that float32 can tell apart, got {bins} from"
            f" low={low} to high={high}. Take fewer, or subtract what all values have"
            " in common."
        )
    return first, last, bins
