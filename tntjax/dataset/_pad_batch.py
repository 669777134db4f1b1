"""pad_batch: samples of several lengths as one batch, and how long each is."""

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tntjax._array import check_unmasked
from tntjax._check import require
from tntjax._dtype import find_dtype
from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._lengths import as_fields, find_ragged
from tntjax.dataset._many import read_samples
from tntjax.transform._batch import stack_rows

Fields = Sequence[str] | Mapping[str, int | None] | None


def pad_batch(
    samples: Sequence[Sample],
    length: int | None = None,
    *,
    rows: int | None = None,
    fill: float = 0,
    fields: Fields = None,
) -> dict[str, Any]:
    """Makes a batch of samples whose arrays have several lengths.

    `B` is the number of rows, `T` the length that is padded to.

    Args:
      samples: dicts, at least one. A bare array counts as `{"input": array}`.
      length: T, None for the longest there is.
      rows: B, None for as many as there are samples. The rows beyond hold `fill`, and
        in fields that are not padded the last sample again.
      fill: what to pad with, a value of the dtype of each field; bools get False.
      fields: names of the fields to pad along their first axis; None for all arrays
        that have an axis. As a dict `{name: T of its own}`, where None is `length`.

    Returns:
      A dict: padded fields [B, T, ...], the others stacked; `length` [B] int32, how
      long the first of the padded fields was, 0 in rows beyond; and `mask` [B] bool,
      False for rows beyond, which engines and meters leave out.
      `tnt.text.length_mask(length, T)` tells of each step.

    Raises:
      ValueError: if there is no sample, or one is longer than T, or has a field `mask`
        or `length`, or there are more than B, or a field can't hold `fill`.
      TypeError: if `rows` or `length` is not an integer, or `samples` not a list.

    Example:
      >>> batch = pad_batch([{"input": [5, 6], "id": 1}, {"input": [7], "id": 2}])
      >>> batch["input"].tolist(), batch["id"].tolist()
      ([[5, 6], [7, 0]], [1, 2])
      >>> batch["length"].tolist(), batch["mask"].tolist()
      ([2, 1], [True, True])
    """
    is_list = hasattr(samples, "__len__")
    require(is_list, "pad_batch needs a list of samples", samples, error=TypeError)
    require(len(samples), "pad_batch needs at least one sample", samples)
    tables = [as_fields(sample) for sample in samples]
    count = len(tables) if rows is None else check_at_least("pad_batch: rows", rows, 1)
    if len(tables) > count:
        raise ValueError(f"pad_batch has rows for {count} samples, got {len(tables)}.")
    for own in {"mask", "length"} & tables[0].keys():
        raise ValueError(
            f"pad_batch makes a field `{own}`, and the samples have one. Rename theirs."
        )
    padded = as_padded_fields(fields, tables[0])
    columns = {name: read_field(tables, name) for name in padded}
    others = [{k: v for k, v in t.items() if k not in padded} for t in tables]
    batch = stack_rows(others + others[-1:] * (count - len(others)), count)
    for name, own in padded.items():
        most = length if own is None else own
        batch[name] = _pad(columns[name], most, count, fill, name)
    ends = np.zeros(count, np.int32)
    ends[: len(tables)] = [len(array) for array in next(iter(columns.values()))]
    batch = {name: batch[name] for name in tables[0]}  # in the order of the sample
    return {**batch, "length": ends, "mask": np.arange(count) < len(tables)}


def as_padded_fields(fields: Fields, sample: Mapping) -> dict[str, int | None]:
    """Returns the fields to pad, with the length of each that has one of its own."""
    if fields is None:
        return dict.fromkeys(find_ragged(sample))
    is_list = hasattr(fields, "__iter__") and not isinstance(fields, str)
    needs = "The fields to pad must be a list of names"
    require(is_list, needs, fields, error=TypeError)
    found = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields)
    fits = found and found.keys() <= sample.keys()
    require(fits, f"The fields to pad must be some of {list(sample)}", list(found))
    return found


def read_fields(dataset: Dataset, members: list[int]) -> list[Mapping[str, Any]]:
    """Reads samples as dicts."""
    return [as_fields(sample) for sample in read_samples(dataset, members)]


def read_field(
    tables: Sequence[Mapping[str, Any]], name: str, *, stacked: bool = False
) -> list[np.ndarray]:
    """Returns the arrays of a field, of which only the first axes may differ.

    To stack them each gets a first axis of length 1.
    """
    subject = f"The field {name!r}"
    for number, table in enumerate(tables):
        if name not in table:
            raise ValueError(
                f"Samples of one batch need the same keys, but sample {number} lacks"
                f" {name!r}; it has {list(table)}."
            )
        check_unmasked(table[name], subject)
    arrays = [np.asarray(table[name]) for table in tables]
    if stacked:
        arrays = [array[None] for array in arrays]
    for array in arrays:
        if not array.ndim:
            raise ValueError(
                f"{subject} is {describe(array)}, without an axis. Name the fields"
                " that have one: fields=(...)."
            )
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"Can't pad field {name!r}: {describe(arrays[0])} in one sample,"
                f" {describe(array)} in another. Only the first axis may differ."
            )
    return arrays


def _pad(
    arrays: list[np.ndarray], length: int | None, rows: int, fill: float, name: str
) -> np.ndarray:
    """Writes arrays [n, ...] into the rows of one array [rows, length, ...]."""
    longest = max(map(len, arrays))
    if length is None:
        length = longest
    elif longest > check_at_least("pad_batch: length", length, 0):
        raise ValueError(
            f"Can't pad field {name!r} to length {length}: a sample has {longest}. Cut"
            " it or leave it out, or choose a greater length; a field of other lengths"
            f" can have its own: fields={{..., {name!r}: length}}."
        )
    flat = join(arrays, np.arange(rows) * length, rows * length, fill, name)
    return flat.reshape(rows, length, *flat.shape[1:])


def join(
    arrays: list[np.ndarray], starts: np.ndarray, length: int, fill: Any, name: str
) -> np.ndarray:
    """Writes arrays [n, ...] into one array [length, ...], each from its start on."""
    # An empty list, which NumPy takes for floats, makes no floats of ids.
    known = [array for array in arrays if array.size] or arrays
    dtype = find_dtype(known)
    if dtype.kind == "b":
        fill = False
    elif getattr(fill, "shape", None) == ():
        fill = np.asarray(fill)[()]  # one of JAX has no hash
    is_one = isinstance(fill, Hashable) and not isinstance(fill, tuple)
    if not (is_one and _fits(fill, dtype)):
        raise ValueError(
            f"fill={fill!r} is not a value of the field {name!r}, which is {dtype}."
        )
    whole = np.full((length, *arrays[0].shape[1:]), fill, dtype)
    for start, array in zip(starts.tolist(), arrays, strict=False):
        whole[start : start + len(array)] = array
    return whole


@lru_cache(maxsize=64, typed=True)
def _fits(fill: Any, dtype: np.dtype) -> bool:
    """True if a dtype has a value, which a float may round but not lose."""
    if dtype.kind in "US":
        return isinstance(fill, str | bytes)
    try:
        with np.errstate(all="ignore"):
            value = np.full((), fill, dtype)
            if dtype.kind in "iu":
                return bool(value == fill)
            if dtype.kind not in "fcV" or dtype.names:  # V is bfloat16
                return True
            return bool(np.isfinite(value) == np.isfinite(fill))
    except (TypeError, ValueError, OverflowError):
        return False
