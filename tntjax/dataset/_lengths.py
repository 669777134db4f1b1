"""Lengths of samples, and the order in which an epoch goes through them."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from tntjax._check import check_dataset, require
from tntjax._numbers import check_at_least, check_integers, find_outside
from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._many import read_samples

Planned = TypeVar("Planned")


def at_epoch(dataset: Planned, epoch: int) -> Planned:
    """Returns the dataset of another epoch >= 0; nothing is measured again."""
    return dataclasses.replace(dataset, epoch=epoch)  # pyright: ignore  # a dataclass


def check_planned(planned: Any) -> dict[str, Any]:
    """Checks what is wrapped, and returns the seed, or None, and the epoch as ints."""
    name, seed = type(planned).__name__, planned.seed
    check_dataset(planned.dataset, name)
    return {
        "seed": None if seed is None else check_at_least(f"{name}: seed", seed, 0),
        "epoch": check_at_least(f"{name}: epoch", planned.epoch, 0),
    }


def order_of(number: int, seed: int | None, epoch: int, purpose: int = 0) -> np.ndarray:
    """Returns the numbers below `number`, in the epoch's order if there is a seed."""
    if seed is None:
        return np.arange(number)
    return np.random.default_rng((seed, epoch, purpose)).permutation(number)


def read_lengths(
    dataset: Dataset, length: Any, name: str, most: int | None = None
) -> np.ndarray:
    """Returns the lengths [N] of all samples, none beyond `most`.

    Each is read once unless `length` has them: [N] integers. Or it is a function
    `sample -> length`, or the name of a field, or None for the first with an axis.
    """
    if length is None or isinstance(length, str) or callable(length):
        measure = length if callable(length) else lambda s: _measure(s, length, name)
        length = [measure(s) for s in read_samples(dataset, list(range(len(dataset))))]
    array = np.asarray(check_integers(length, f"{name} needs integers as lengths"))
    fits = array.size and array.shape == (len(dataset),)
    needs = f"{name} needs the length of each of {len(dataset)} samples, at least one"
    require(fits, needs, array)
    wrong = find_outside(array, 2**31)
    require(wrong is None, f"{name} needs lengths >= 0, below 2**31", wrong)
    if most is not None and array.max() > most:
        place = int(array.argmax())
        raise ValueError(
            f"{name}: sample {place} has length {array[place]}, but there is room for"
            f" {most}. Cut or leave out such samples, or make room."
        )
    return array.astype(np.int64)


def _measure(sample: Sample, field: str | None, name: str) -> int:
    fields = as_fields(sample)
    ragged = find_ragged(fields)
    needs = f"{name} needs as length the name of a field that is an array with an axis"
    require(field is None or field in ragged, needs, field, fields)
    return len(fields[ragged[0] if field is None else field])


def as_fields(sample: Sample) -> Mapping[str, Any]:
    """Returns a sample that is a dict; a bare array is its field `input`."""
    if isinstance(sample, dict | Mapping):  # nearly all are dicts, which is seen faster
        return sample
    if isinstance(sample, tuple) and any(map(_has_axis, sample)):
        raise TypeError(
            f"Ragged samples need names for their arrays, got {describe(sample)}. Make"
            " a dict of each: TransformDataset(dataset, lambda sample: {'input':"
            " sample[0], 'target': sample[1]})."
        )
    return {"input": sample}


def find_ragged(fields: Mapping[str, Any]) -> list[str]:
    """Returns the names of the fields that have an axis."""
    names = [name for name, value in fields.items() if _has_axis(value)]
    if not names:
        raise ValueError(
            "Ragged samples need a field that is an array with an axis, got"
            f" {describe(fields)}. Encode text as ids first."
        )
    return names


def _has_axis(value: Any) -> bool:
    try:
        return not isinstance(value, str | bytes) and np.ndim(value) > 0
    except ValueError:  # lists of unequal lengths
        return False
