"""BatchDataset: consecutive samples merged into batches."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from jax.core import Tracer

from tntjax._array import can_be_read
from tntjax._check import check_dataset, check_optional_functions, is_kept
from tntjax._numbers import check_axis
from tntjax._struct import child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._columns import map_columns
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._many import read_samples
from tntjax.dataset._protocol import (
    Spec,
    check_indices,
    find_spec,
    hide_unreadable,
    host_only,
)
from tntjax.dataset._take import take_one_by_one
from tntjax.transform import make_batch

SHORTER = (
    "BatchDataset: the last batch is shorter than the others, so they cannot be"
    " stacked. Take it on its own, or use policy='pad-last'."
)

Policy = Literal["include-last", "skip-last", "divisible-only", "pad-last"]


@pytree
class BatchDataset(IndexMap):
    """A dataset whose samples are batches of another's.

    Args:
      dataset: what to batch, `n` samples.
      batch_size: samples in a batch, at least 1.
      perm: `position -> index`, called on the host for each position of a batch.
      merge: `{field: list} -> batch`, None to stack arrays and keep other lists. No
        sample that the filter drops comes to it.
      policy: what becomes of a rest of `n % batch_size` samples. `"include-last"`: a
        shorter last batch, which a traced index cannot read (its last row would be
        repeated). `"skip-last"`: dropped. `"divisible-only"`: an error.
        `"pad-last"`: a full last batch, and in every batch a boolean field `mask`
        [batch_size] that is False for the rows that only fill up.
      filter: `sample -> bool`, whether to keep a sample. Batches shrink and are not
        refilled. One of which nothing is left has arrays of length 0, like those of the
        first sample that is kept, or if all are dropped of a dropped one.

    Raises:
      TypeError: if `dataset` is not one, `batch_size` not an integer, or `perm`,
        `merge` or `filter` not a function.
      ValueError: if `batch_size` is below 1, the policy is unknown, or it is
        `"divisible-only"` and the length is not divisible.

    Example:
      >>> [batch.tolist() for batch in BatchDataset([1, 2, 3], 2)]
      [[1, 2], [3]]
      >>> padded = BatchDataset([{"x": 1}, {"x": 2}, {"x": 3}], 2, policy="pad-last")
      >>> padded[1]["x"].tolist(), padded[1]["mask"].tolist()
      ([3, 3], [True, False])

    Purpose: mini-batches as one more dataset, which can be shuffled or transformed.

    Torchnet: `dataset/batchdataset.lua`. `perm` gets the position alone, arrays stack
    if their shapes agree, otherwise it is an error, and `"pad-last"` is ours.
    """

    dataset: Dataset = child(hide_unreadable)
    batch_size: int = static()
    perm: Callable[[int], int] | None = static(default=None)
    merge: Callable[[dict[str, list]], Sample] | None = static(default=None)
    policy: Policy = static(default="include-last")
    filter: Callable[[Sample], bool] | None = static(default=None)

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_dataset(self.dataset, name)
        check_optional_functions(
            name, perm=self.perm, merge=self.merge, filter=self.filter
        )
        if self.policy not in get_args(Policy):
            raise ValueError(
                f"{name} needs one of the policies {', '.join(get_args(Policy))};"
                f" got {self.policy!r}."
            )
        size = check_axis(f"{name}: batch_size", self.batch_size, 1, bits=63)
        object.__setattr__(self, "batch_size", size)
        rest = len(self.dataset) % size
        if self.policy == "divisible-only" and rest:
            raise ValueError(
                f"{name}(policy='divisible-only') got {len(self.dataset)} samples and"
                f" batch_size {size}, which leaves {rest}. Choose another"
                " policy or batch_size."
            )

    def __len__(self) -> int:
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and self.policy in ("include-last", "pad-last"))

    @cached_property
    def _merges_each(self) -> bool:
        """True if the host makes each batch of a list of its samples."""
        return self.merge is not None or self.filter is not None

    def _get(self, index: int) -> Sample:
        if not self._merges_each:
            return self._take(np.array(index))
        kept, rows = self._read_kept(index), np.arange(self.batch_size)
        batch = make_batch(self.merge)(kept or self._find_example(index))
        if not kept:
            return _pick_rows(batch, rows[:0])
        if self.policy != "pad-last":
            return batch
        last = len(kept) - 1  # new rows repeat it
        return self._add_mask(_pick_rows(batch, rows.clip(None, last)), rows <= last)

    def _take(self, rows: Any) -> Sample:
        if self._merges_each:
            return take_one_by_one(self, rows, self._read_each)
        size, pads = self.batch_size, self.policy == "pad-last"
        length = len(self.dataset) if pads or self.policy == "include-last" else 0
        seen = type(rows) is np.ndarray or can_be_read(rows)
        if length % size and not pads and seen:
            last = np.asarray(rows) == length // size
            if last.any() or length < size:  # of no rows the only batch tells
                if not last.all():
                    raise ValueError(SHORTER)
                size = length % size
        first = rows[..., None] * np.int64(self.batch_size)
        positions = first + np.arange(size, dtype=np.int32)  # [*S, B]
        inside = positions.clip(None, length - 1) if pads else positions
        if self.perm is not None:
            inside = self._permute(inside)
        batch = self._take_wrapped(inside)
        return self._add_mask(batch, positions < length) if pads else batch

    def _permute(self, positions: Any) -> Any:
        """Asks `perm` for indices of the wrapped dataset, and checks them."""
        if isinstance(positions, Tracer):
            raise host_only(self)
        perm: Any = self.perm
        flat = [perm(position) for position in np.ravel(positions).tolist()]
        picked = check_indices(self.dataset, flat)
        if picked.shape != (len(flat),):
            raise TypeError(
                f"{type(self).__name__}: perm must return one integer, got"
                f" {describe(picked[0])}."
            )
        return picked.reshape(np.shape(positions))

    def _read(self, indices: list[int]) -> list[Sample]:
        return list(read_samples(self.dataset, indices))

    def _read_batch(self, number: int) -> list[Sample]:
        start = number * self.batch_size
        stop = min(start + self.batch_size, len(self.dataset))
        rows = list(range(start, stop))
        return self._read(rows if self.perm is None else self._permute(rows).tolist())

    def _read_kept(self, number: int) -> list[Sample]:
        """Reads the samples of a batch that the filter keeps."""
        return [s for s in self._read_batch(number) if is_kept(self.filter, s)]

    @cached_property
    def _first_kept(self) -> list[Sample]:
        """The first sample that the filter keeps, in a list, or an empty one."""
        for number in range(len(self)):  # next() would hide a StopIteration of a user's
            if kept := self._read_kept(number):
                return kept[:1]
        return []

    def _find_example(self, number: int) -> list[Sample]:
        """Finds a sample that tells what a batch is like of which nothing is left."""
        name = type(self).__name__
        if self.policy == "pad-last":
            raise ValueError(
                f"{name}(policy='pad-last'): the filter left nothing of a batch, so"
                " there is no sample to fill it up with. Filter before batching."
            )
        if not self._first_kept and self.merge is not None:
            raise ValueError(
                f"{name}: the filter drops all {len(self.dataset)} samples, so there is"
                " none to tell what merge makes of a batch."
            )
        return self._first_kept or self._read_batch(number)[:1]

    def _add_mask(self, batch: Sample, mask: Any) -> Sample:
        if not isinstance(batch, dict) or "mask" in batch:
            given = f"{type(batch).__name__}{' with mask' * isinstance(batch, dict)}"
            raise ValueError(
                f"{type(self).__name__}(policy='pad-last') adds a field 'mask', so"
                f" samples must be dicts without one; got {given}."
            )
        return {**batch, "mask": mask}

    @property
    def spec(self) -> Spec:
        """The full batches of samples that are alike; a padded one counts as full.

        If a dataset on the host cannot tell, all samples are taken to be alike: a batch
        of unequal ones would be an error anyway.
        """
        known, length = find_spec(self.dataset), len(self.dataset)
        alike = known.alike or (0 if known.on_device else length)
        pads = self.policy == "pad-last"
        batches = len(self) if pads and alike == length else alike // self.batch_size
        return Spec(
            0 if self._merges_each else batches,
            known.on_device and not self._merges_each and self.perm is None,
            lambda: self.batch_size * (known.bytes() + pads),
        )


def _pick_rows(batch: Sample, rows: np.ndarray) -> Sample:
    def pick(column: Any) -> Any:
        if isinstance(column, list):
            return [column[row] for row in rows]
        if not np.ndim(column):
            raise ValueError(
                "BatchDataset fills up and empties a batch by its rows, but merge gave"
                f" {describe(column)}, which has none. Filter before batching, or use"
                " another policy."
            )
        return column[rows]

    return map_columns(pick, batch)
