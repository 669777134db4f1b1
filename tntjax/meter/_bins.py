"""Bins of equal width."""

import math

import numpy as np


def bin_edges(low: float, high: float, bins: int) -> np.ndarray:
    """Returns the edges of the bins, float32 [bins + 1]."""
    with np.errstate(over="ignore"):
        return np.linspace(low, high, bins + 1).astype(np.float32)


def check_bins(low: float, high: float, bins: int, name: str) -> None:
    """Raises a ValueError unless the edges are finite and rise, in float32 too."""
    if not (math.isfinite(low) and math.isfinite(high - low) and low < high):
        raise ValueError(
            f"{name} needs finite low < high, got low={low} and high={high}."
        )
    edges = bin_edges(low, high, bins)
    if not (np.isfinite(edges).all() and (edges[:-1] < edges[1:]).all()):
        raise ValueError(
            f"{name} needs bins that float32 can tell apart, got {bins} from"
            f" low={low} to high={high}. Take fewer, or subtract what all values have"
            " in common."
        )
