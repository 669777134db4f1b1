"""pad_batch: samples of several lengths as one batch, and how long each is."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tntjax._dtype import common_dtype
from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax._types import Sample
from tntjax.dataset._lengths import as_fields, find_ragged
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
      fill: what to pad with.
      fields: names of the fields to pad along their first axis; None for all arrays
        that have an axis. As a dict `{name: T of its own}`, where None is `length`.

    Returns:
      A dict: padded fields [B, T, ...], the others stacked; `length` [B] int32, how
      long the first of the padded fields was, 0 in rows beyond; and `mask` [B] bool,
      False for rows beyond. Engines and meters leave out what `mask` hides.
      `tnt.text.length_mask(length, T)` tells of each step.

    Raises:
      ValueError: if there is no sample, or one is longer than T, or has a field
        `mask` or `length` of its own, or there are more than B.
      TypeError: if `rows` or `length` is not an integer.

    Example:
      >>> batch = pad_batch([{"input": [5, 6], "id": 1}, {"input": [7], "id": 2}])
      >>> batch["input"].tolist(), batch["id"].tolist()
      ([[5, 6], [7, 0]], [1, 2])
      >>> batch["length"].tolist(), batch["mask"].tolist()
      ([2, 1], [True, True])
    """
    if not len(samples):
        raise ValueError("pad_batch needs at least one sample, got none.")
    tables = [as_fields(sample) for sample in samples]
    count = len(tables) if rows is None else check_at_least("pad_batch: rows", rows, 1)
    if len(tables) > count:
        raise ValueError(f"pad_batch has rows for {count} samples, got {len(tables)}.")
    for own in {"mask", "length"} & tables[0].keys():
        raise ValueError(
            f"pad_batch makes a field `{own}`, and the samples have one. Rename theirs."
        )
    lengths = as_padded_fields(fields, tables[0])
    batch = stack_rows(_without(tables, lengths, count), count)
    first, ends = next(iter(lengths)), np.zeros(count, np.int32)
    for name, own in lengths.items():
        arrays = [np.asarray(table[name]) for table in tables]
        if name == first:
            ends[: len(arrays)] = [len(array) for array in arrays]
        batch[name] = _pad(arrays, length if own is None else own, count, fill, name)
    batch = {name: batch[name] for name in tables[0]}  # in the order of the sample
    batch["length"] = ends
    batch["mask"] = np.arange(count) < len(tables)
    return batch


def as_padded_fields(fields: Fields, sample: dict[str, Any]) -> dict[str, int | None]:
    """Returns the fields to pad, with the length of each that has one of its own."""
    if fields is None:
        return dict.fromkeys(find_ragged(sample))
    found = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields)
    if not found or not found.keys() <= sample.keys():
        raise ValueError(
            f"The fields to pad must be some of {list(sample)}, got {list(found)}."
        )
    return found


def _without(tables: list[dict], padded: Mapping[str, Any], count: int) -> list[dict]:
    others = [{k: v for k, v in t.items() if k not in padded} for t in tables]
    return others + others[-1:] * (count - len(others))


def _pad(
    arrays: list[np.ndarray], length: int | None, rows: int, fill: float, name: str
) -> np.ndarray:
    """Writes arrays [n, ...] into the rows of one array [rows, length, ...]."""
    rest = arrays[0].shape[1:]
    for array in arrays:
        if not array.ndim or array.shape[1:] != rest:
            raise ValueError(
                f"Can't pad field {name!r}: {describe(arrays[0])} in one sample,"
                f" {describe(array)} in another. Only the first axis may differ."
            )
    longest = max(map(len, arrays))
    length = (
        longest if length is None else check_at_least("pad_batch: length", length, 0)
    )
    if longest > length:
        raise ValueError(
            f"Can't pad field {name!r} to length {length}: a sample has {longest}. Cut"
            " it or leave it out, or choose a greater length."
        )
    dtype = functools.reduce(common_dtype, [array.dtype for array in arrays])
    batch = np.full((rows, length, *rest), fill, dtype)
    for row, array in zip(batch, arrays, strict=False):
        row[: len(array)] = array
    return batch
