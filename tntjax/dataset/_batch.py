"""BatchDataset: consecutive samples merged into batches."""

import functools
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from tntjax._struct import child, describe, pytree, static
from tntjax._types import Dataset, Sample
from tntjax.dataset._many import read_samples
from tntjax.dataset._take import (
    below,
    check_index,
    check_indices,
    host_only,
    in_order,
    map_columns,
    on_device,
    sample_bytes,
    take,
    take_one_by_one,
    uniform_length,
)
from tntjax.transform import make_batch
from tntjax.utils import check_dataset, check_integer, check_optional_functions

Policy = Literal["include-last", "skip-last", "divisible-only", "pad-last"]


@pytree
class BatchDataset:
    """A dataset whose samples are batches of another's.

    Args:
      dataset: what to batch, `n` samples.
      batch_size: samples in a batch, at least 1.
      perm: `position -> index`, called on the host for each position of a batch.
      merge: `{field: list} -> batch`, None to stack arrays and keep other lists. No
        sample that the filter drops comes to it.
      policy: what becomes of a rest of `n % batch_size` samples. `"include-last"`: a
        shorter last batch. `"skip-last"`: dropped. `"divisible-only"`: an error.
        `"pad-last"`: a full last batch, and in every batch a boolean field `mask`
        [batch_size] that is False for the rows that only fill up.
      filter: `sample -> bool`, whether to keep a sample, such as one that `load` gave
        as None. Batches shrink and are not refilled. One of which nothing is left has
        arrays of length 0, like those that the first sample makes which is kept. That
        is searched for from the start, once. If all are dropped, the dropped ones tell.

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

    Torchnet: `dataset/batchdataset.lua`. `perm` gets the position alone; arrays stack
    if their shapes agree and not if their sizes do, otherwise it is an error;
    `"pad-last"` is ours.
    """

    dataset: Dataset = child(below)
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
        size = check_integer(self.batch_size, f"{name} needs an integer batch_size")
        object.__setattr__(self, "batch_size", size)
        if self.batch_size < 1:
            raise ValueError(f"{name} needs batch_size >= 1, got {self.batch_size}.")
        rest = len(self.dataset) % self.batch_size
        if self.policy == "divisible-only" and rest:
            raise ValueError(
                f"{name}(policy='divisible-only') got {len(self.dataset)} samples"
                f" and batch_size {self.batch_size}, which leaves {rest}. Choose"
                " another policy or batch_size."
            )

    def __len__(self) -> int:
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and self.policy in ("include-last", "pad-last"))

    __iter__ = in_order

    def __getitem__(self, index: int) -> Sample:
        index = check_index(self, index)
        if isinstance(index, jax.Array) or not self._by_sample:
            return self.take(index)
        if kept := self._kept(index):
            batch = make_batch(self.merge)(kept)
            return self._padded(batch, len(kept)) if self._pads else batch
        return _rows_of(make_batch(self.merge)(self._example(index)), np.arange(0))

    def take(self, indices: ArrayLike) -> Sample:
        """Reads many batches at once, one gather a leaf where the data allows it.

        Args:
          indices: integers of any shape S, possibly traced.

        Returns:
          The batches with leaves [*S, batch_size, ...].

        Raises:
          IndexError: if an index on the host is out of range.
          TypeError: if `indices` are traced and there is a `perm`, `merge` or `filter`.
          ValueError: if the shorter last batch is asked for together with full ones.
            On a device, where no shape depends on a value, this goes unnoticed.
        """
        windows = check_indices(self, indices)
        if self._by_sample:
            return take_one_by_one(self, windows)
        positions, mask = self._positions(windows)
        batch = take(self.dataset, self._permute(positions))
        return batch if mask is None else self._with_mask(batch, mask)

    def _read(self, indices: list[int]) -> list[Sample]:
        return list(read_samples(self.dataset, indices))

    def _samples(self, number: int) -> list[Sample]:
        positions, mask = self._positions(np.asarray(number))
        if mask is not None:
            positions = positions[mask]
        return self._read(self._permute(positions).tolist())

    def _kept(self, number: int) -> list[Sample]:
        """Reads the samples of a batch that the filter keeps."""
        samples = self._samples(number)
        if self.filter is None:
            return samples
        return [sample for sample in samples if self.filter(sample)]

    @functools.cached_property
    def _first_kept(self) -> list[Sample]:
        """The first sample that the filter keeps, in a list, or an empty one."""
        return next(filter(None, map(self._kept, range(len(self)))), [])[:1]

    def _example(self, number: int) -> list[Sample]:
        """Finds a sample that tells what a batch is like of which nothing is left."""
        name = type(self).__name__
        if self._pads:
            raise ValueError(
                f"{name}(policy='pad-last'): the filter left nothing of a batch, so"
                " there is no sample to fill it up with. Filter before batching."
            )
        if not self._first_kept and self.merge is not None:
            raise ValueError(
                f"{name}: the filter drops all {len(self.dataset)} samples, so there is"
                " none to tell what merge makes of a batch."
            )
        return self._first_kept or self._samples(number)[:1]

    @property
    def _by_sample(self) -> bool:
        return self.merge is not None or self.filter is not None

    def _positions(self, windows: Any) -> tuple[Any, Any]:
        """Positions [*S, B] of the windows' samples, and which of them are real."""
        length, size = len(self.dataset), self.batch_size
        if not isinstance(windows, jax.Array) and self.policy == "include-last":
            last = windows == length // size
            if last.any():
                if not last.all():
                    raise ValueError(
                        "BatchDataset: the last batch is shorter than the others, so"
                        " they cannot be stacked. Take it on its own, or use"
                        " policy='pad-last'."
                    )
                size = length % size
        first = windows[..., None] * np.int64(self.batch_size)
        positions = first + np.arange(size, dtype=np.int32)
        if not self._pads:
            return positions, None
        return positions.clip(None, length - 1), positions < length

    def _permute(self, positions: Any) -> Any:
        if self.perm is None:
            return positions
        if isinstance(positions, Tracer):
            raise host_only(self)
        flat = [self.perm(position) for position in np.ravel(positions).tolist()]
        return check_indices(self.dataset, flat).reshape(positions.shape)

    @property
    def _pads(self) -> bool:
        return self.policy == "pad-last"

    def _padded(self, batch: Sample, kept: int) -> Sample:
        """Fills a batch up to `batch_size` rows; the new rows repeat the last."""
        rows = np.arange(self.batch_size)
        filled = _rows_of(batch, rows.clip(None, kept - 1))
        return self._with_mask(filled, rows < kept)

    def _with_mask(self, batch: Sample, mask: Any) -> Sample:
        if not isinstance(batch, dict) or "mask" in batch:
            raise ValueError(
                f"{type(self).__name__}(policy='pad-last') adds a field 'mask', so"
                " samples must be dicts without one; got"
                f" {type(batch).__name__}"
                f"{' with mask' if isinstance(batch, dict) else ''}."
            )
        return {**batch, "mask": mask}

    @property
    def uniform_length(self) -> int:
        """The batches of which all is known to be alike; a padded one counts as full.

        Of a dataset on the host that knows nothing of its samples the best is hoped:
        a batch is an error anyway where shapes within it differ.
        """
        if self._by_sample:
            return 0
        length, alike = len(self.dataset), uniform_length(self.dataset)
        if not alike and not on_device(self.dataset):
            alike = length
        padded = self._pads and alike == length
        return len(self) if padded else alike // self.batch_size

    @property
    def on_device(self) -> bool:
        """Whether the dataset below is, and nothing here needs the host."""
        needs_host = self._by_sample or self.perm is not None
        return on_device(self.dataset) and not needs_host

    @property
    def sample_bytes(self) -> int:
        """The bytes of a full batch; what `filter` and `merge` do is not foreseen."""
        return self.batch_size * (sample_bytes(self.dataset) + self._pads)


def _rows_of(batch: Sample, rows: np.ndarray) -> Sample:
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
