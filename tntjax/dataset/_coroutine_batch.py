"""CoroutineBatchDataset: batches of samples that are read at the same time."""

from typing import Any, ClassVar

from tntjax._numbers import check_at_least
from tntjax._struct import pytree, static
from tntjax.dataset._batch import BatchDataset
from tntjax.dataset._deferred import read_all
from tntjax.dataset._protocol import Spec, bytes_of


@pytree
class CoroutineBatchDataset(BatchDataset):
    """A `BatchDataset` that reads the samples of a batch at the same time.

    A sample of what is wrapped may be a promise: a function without arguments, which
    is called in a thread; a `concurrent.futures.Future`; or an awaitable, such as what
    an `async def` function returns. All samples of a batch are asked for before the
    first is waited for, so a slow store can answer them together.

    Reads run in an event loop in a thread of its own, which lives as long as the
    innermost dataset does: a session opened in one batch serves the next ones, in later
    epochs too. In another process, such as a worker's, there is another loop.

    An error or Ctrl-C cancels the other reads, and nothing new begins. What cannot be
    cancelled, such as a function that runs, has a second, and is then left to end by
    itself, in a thread for which the interpreter does not wait.

    Args:
      dataset: what to batch, `n` samples or promises of them.
      batch_size: samples in a batch, at least 1.
      perm: `position -> index`, as in `BatchDataset`.
      merge: `{field: list} -> batch`, as in `BatchDataset`.
      policy: what becomes of a rest, as in `BatchDataset`.
      filter: `sample -> bool`, called with the samples and never with a promise.
      concurrency: how many functions and awaitables run at the same time. Futures
        run elsewhere and do not count.

    Raises:
      TypeError: as for `BatchDataset`, or if `concurrency` is not an integer.
      ValueError: as for `BatchDataset`, or if `concurrency` is below 1.

    Example:
      >>> async def fetch(index):
      ...     return index * 10
      >>> class Store:
      ...     def __len__(self):
      ...         return 3
      ...     def __getitem__(self, index):
      ...         return fetch(index)
      >>> [batch.tolist() for batch in CoroutineBatchDataset(Store(), 2)]
      [[0, 10], [20]]

    Purpose: samples from a network or a data base, where waiting is what takes long.

    Torchnet: `dataset/coroutinebatchdataset.lua`, in which `get` may yield once. There
    the filter is called for the missing samples of a short batch too.
    """

    concurrency: int = static(default=32)

    def __post_init__(self) -> None:
        super().__post_init__()
        subject = "CoroutineBatchDataset: concurrency"
        count = check_at_least(subject, self.concurrency, 1)
        object.__setattr__(self, "concurrency", count)

    _merges_each: ClassVar[bool] = True

    def _read(self, indices: list[int]) -> list[Any]:
        return read_all(self, indices, self.concurrency)

    @property
    def spec(self) -> Spec:
        """The description of a `BatchDataset`, but what it wraps gives promises."""
        pads = self.policy == "pad-last"
        return super().spec._replace(
            bytes=lambda: self.batch_size * (bytes_of(*self._read([0])) + pads)
        )
