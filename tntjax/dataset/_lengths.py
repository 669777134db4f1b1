"""Lengths of samples, and the order in which an epoch goes through them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tntjax._numbers import check_at_least, check_integers
from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._many import read_samples

Lengths = Any
"""[N] integers, or a function `sample -> length`, or the name of a field, or None."""


def read_lengths(dataset: Dataset, length: Lengths, name: str) -> np.ndarray:
    """Returns the lengths [N] of all samples; reads each once unless they are given.

    Args:
      dataset: N samples.
      length: an array [N] of integers, a function of a sample, the name of a field
        whose first axis counts, or None for the first field that has an axis.
      name: whose argument it is, for errors.

    Raises:
      TypeError: if they are not integers.
      ValueError: if there are none, one is negative, or their number is not N.
    """
    if length is None or isinstance(length, str) or callable(length):
        measure = (
            length if callable(length) else lambda sample: _measure(sample, length)
        )
        found = [measure(s) for s in read_samples(dataset, list(range(len(dataset))))]
    else:
        found = length
    array = np.asarray(check_integers(found, f"{name} needs integers as lengths"))
    if array.shape != (len(dataset),) or not array.size:
        raise ValueError(
            f"{name} needs the length of each of {len(dataset)} samples, at least one,"
            f" got {describe(array)}."
        )
    if array.min() < 0:
        raise ValueError(f"{name} needs lengths >= 0, got {array.min()}.")
    return array


def _measure(sample: Sample, field: str | None) -> int:
    fields = as_fields(sample)
    if field is None:
        field = next(iter(find_ragged(fields)))
    return len(fields[field])


def as_fields(sample: Sample) -> dict[str, Any]:
    """Returns a sample as a dict; a bare array is its field `input`."""
    return dict(sample) if isinstance(sample, Mapping) else {"input": sample}


def find_ragged(fields: dict[str, Any]) -> list[str]:
    """Returns the names of the fields that have an axis."""
    names = [
        name
        for name, value in fields.items()
        if not isinstance(value, str | bytes) and np.ndim(value)
    ]
    if not names:
        raise ValueError(
            "Ragged samples need a field that is an array with an axis, got"
            f" {describe(fields)}. Encode text as ids first."
        )
    return names


def check_room(lengths: np.ndarray, most: int, name: str) -> None:
    """Raises a ValueError if a sample is longer than there is room for."""
    if lengths.max() > most:
        place = int(lengths.argmax())
        raise ValueError(
            f"{name}: sample {place} has length {lengths[place]}, but there is room for"
            f" {most}. Cut or leave out such samples, or make room."
        )


def order_of(number: int, seed: int | None, epoch: int, purpose: int = 0) -> np.ndarray:
    """Returns the numbers below `number`, in the epoch's order if there is a seed."""
    if seed is None:
        return np.arange(number)
    return np.random.default_rng((seed, epoch, purpose)).permutation(number)


def check_order(seed: Any, epoch: Any, name: str) -> None:
    """Raises unless a seed is a non-negative integer or None, and so the epoch."""
    if seed is not None:
        check_at_least(f"{name}: seed", seed, 0)
    check_at_least(f"{name}: epoch", epoch, 0)
