"""Rows and hyperparameters, taken apart by what trackers do with each kind of value."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from tntjax._numbers import check_at_least
from tntjax._plain import as_plain
from tntjax._struct import describe
from tntjax.log._image import Image
from tntjax.log._log import Log

MOST_CURVES = 64  # numbers in a row that are a curve each; of more there is a histogram


class Parts(NamedTuple):
    """The values of a row, by kind; a value in another one is `name/part`.

    Args:
      numbers: of Python.
      texts: strings.
      arrays: [...] of bools, integers or floats.
      images: uint8[H, W, 3 or 4].
    """

    numbers: dict[str, int | float]
    texts: dict[str, str]
    arrays: dict[str, np.ndarray]
    images: dict[str, np.ndarray]


def read_row(row: Log | Mapping[str, Any], who: str, step: str) -> tuple[int, Parts]:
    """Takes a log or a dict apart, into its step and the rest; waits for the device.

    Raises:
      ValueError: if there is no step.
      TypeError: if the step is not an integer, or a value is of no kind.
    """
    if isinstance(row, Log):
        row = {key: row.get(key) for key in row.keys if key in row.values}
    elif not isinstance(row, Mapping):
        raise TypeError(f"{who} needs a Log or a dict, got {describe(row)}.")
    parts = Parts({}, {}, {}, {})
    for name, value in row.items():
        if name != step:
            _put(parts, name, as_plain(value), f"{who}: the value of {name!r}")
    return read_step(row, who, step), parts


def read_step(row: Mapping[str, Any], who: str, step: str) -> int:
    """Returns the step of a row, or raises an error that says what is missing."""
    if row.get(step) is None:
        raise ValueError(
            f"{who} needs the step of each row, {step!r}; this one has {list(row)}. Set"
            f" it, or name another: {who}(..., step='epoch')."
        )
    return check_at_least(f"{who}: the step {step!r}", as_plain(row[step]), 0)


def finite_numbers(array: np.ndarray) -> np.ndarray:
    """Returns what histograms are made of: float64 [N], finite and not masked."""
    shown = np.ma.compressed(array)
    return shown[np.isfinite(shown)].astype(np.float64)


def _put(parts: Parts, name: str, value: Any, subject: str) -> None:
    if any(name in kind for kind in parts):
        raise TypeError(f"{subject} must have names of its own, got {name!r} twice.")
    if isinstance(value, int | float):  # a bool is an int
        parts.numbers[name] = value
    elif isinstance(value, str):
        # Half a character, of broken text, has no bytes but an escape.
        parts.texts[name] = value.encode(errors="backslashreplace").decode()
    elif isinstance(value, Image):
        parts.images[name] = value.pixels()
    elif value is not None:
        inner = _look_into(value, subject)
        if isinstance(inner, np.ndarray):
            parts.arrays[name] = inner
        else:
            for key, entry in inner.items():
                _put(parts, f"{name}/{key}", entry, subject)


def _look_into(value: Any, subject: str) -> np.ndarray | Mapping[Any, Any]:
    """Returns an array of many numbers, or the parts of something else."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "_fields"):
        return value._asdict()
    array = _as_numbers(value)
    if array is None and isinstance(value, list | tuple):
        return dict(enumerate(value))
    if array is None:
        raise TypeError(
            f"{subject} must be numbers, text, a tnt.log.Image, or dicts and lists of"
            f" these, got {describe(value)}. Leave it out, or make it one of these."
        )
    if array.ndim == 1 and array.size <= MOST_CURVES:
        return dict(enumerate(array.tolist()))
    return array


def _as_numbers(value: Any) -> np.ndarray | None:
    """Returns an array of real numbers, or None if it is not one."""
    if not isinstance(value, np.ndarray | list | tuple):
        return None
    try:
        array = np.asanyarray(value)  # a masked array hides what it masks
    except ValueError:  # lists of several lengths
        return None
    if jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.kind == "V":
        array = array.astype(np.float32)  # bfloat16 and its like
    return array if array.dtype.kind in "biuf" else None


def read_parameters(parameters: Any, who: str) -> dict[str, Any]:
    """Returns hyperparameters as numbers, bools and text under flat names.

    None is left out; what is neither number nor text is described.

    Example:
      >>> read_parameters({"lr": 0.1, "model": {"act": max, "sizes": [3, 2]}}, "")
      {'lr': 0.1, 'model/act': 'max', 'model/sizes': '[3, 2]'}
    """
    if not isinstance(parameters, Mapping | None):
        raise TypeError(
            f"{who} needs a dict of hyperparameters, got {describe(parameters)}."
            " Write {'lr': 0.1}."
        )
    flat = {}
    for name, value in as_plain(dict(parameters or {})).items():
        if isinstance(value, Mapping):
            inner = read_parameters(value, who)
            flat |= {f"{name}/{key}": entry for key, entry in inner.items()}
        elif isinstance(value, float) and not math.isfinite(value):
            flat[str(name)] = str(value)
        elif isinstance(value, str | int | float):
            flat[str(name)] = value
        elif value is not None:
            flat[str(name)] = describe(value)
    return flat
