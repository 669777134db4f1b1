"""shuffle_and_batch: batches in a new order each epoch."""

from collections.abc import Callable
from typing import Any

from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax._types import Dataset, Sample
from tntjax.dataset._batch import BatchDataset, Policy
from tntjax.dataset._shuffle import ShuffleDataset


def shuffle_and_batch(
    dataset: Dataset,
    batch_size: int,
    seed: int = 0,
    policy: Policy = "include-last",
    merge: Callable[[dict[str, list[Any]]], Sample] | None = None,
) -> Callable[[int], BatchDataset]:
    """Makes a function of the epoch: batches of a dataset in an order of that epoch.

    It is what an iterator takes to train, and can be pickled if the dataset can.

    Args:
      dataset: what to shuffle and batch.
      batch_size: samples in a batch, at least 1.
      seed: a non-negative integer; an order is a function of it and the epoch. With 0
        it is that of `ShuffleDataset(dataset, epoch)`.
      policy: what becomes of a rest, as in `BatchDataset`.
      merge: `{field: list} -> batch`, as in `BatchDataset`.

    Returns:
      A function `epoch -> BatchDataset`.

    Raises:
      TypeError, ValueError: as `BatchDataset`, or if the seed is no such integer.

    Example:
      >>> batches = shuffle_and_batch(range(6), 3, seed=1)
      >>> [batch.tolist() for batch in batches(epoch=0)]
      [[1, 4, 3], [0, 2, 5]]
      >>> [batch.tolist() for batch in batches(epoch=1)]
      [[1, 4, 0], [3, 2, 5]]

    Torchnet: `dataset:shuffle():batch{...}` and a hook that calls `exec("resample")`.
    """
    seed = check_at_least("shuffle_and_batch: seed", seed, 0)
    epochs = BatchesOfEpochs(dataset, batch_size, seed, policy, merge)
    epochs.prepare(0)  # refuses here what it would refuse in the first epoch
    return epochs


class BatchesOfEpochs:
    """Makes the batches of an epoch, beforehand if asked to."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments
        self._prepared: dict[int, BatchDataset] = {}

    @property
    def seed(self) -> int:
        """The seed of the orders."""
        return self._arguments[2]

    def prepare(self, epoch: int) -> None:
        """Makes the order of an epoch that comes next, while a device is at work."""
        self._prepared = {epoch: self._make(epoch)}

    def __call__(self, epoch: int) -> BatchDataset:
        epoch = check_at_least("shuffle_and_batch: epoch", epoch, 0)
        made = self._prepared.pop(epoch, None)
        return self._make(epoch) if made is None else made

    def _make(self, epoch: int) -> BatchDataset:
        dataset, batch_size, seed, policy, merge = self._arguments
        # Words of 32 bits are what NumPy makes an order of, so that no two are alike.
        shuffled = ShuffleDataset(dataset, (seed << 32) + epoch)
        return BatchDataset(shuffled, batch_size, merge=merge, policy=policy)

    def __reduce__(self) -> tuple:
        return type(self), self._arguments

    def __repr__(self) -> str:
        dataset, batch_size, seed, policy, _ = self._arguments
        name = f"shuffle_and_batch({describe(dataset)}, {batch_size}, seed={seed}"
        return f"{name}, policy={policy!r})"
