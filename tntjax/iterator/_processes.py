"""Workers that are processes: started once, and kept over runs."""

import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from tntjax._struct import describe
from tntjax.iterator._member import Arrived
from tntjax.iterator._pool import Pool
from tntjax.iterator._shared import is_jax_array


class Processes:
    """Keeps a pool of processes over runs, and starts it when it is first needed.

    Args:
      closure: see `Worker`; sent to each process.
      init: likewise.
      num_workers: how many processes.

    Raises:
      TypeError: if something cannot be sent.
    """

    def __init__(
        self, closure: Any, init: Callable[[int], Any] | None, num_workers: int
    ) -> None:
        for name, value in (("closure", closure), ("init", init)):
            check_sendable(name, value)
        self._content, self._num_workers = (closure, init), num_workers
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    def start(self, epoch: int) -> "ProcessRun":
        """Starts reading an epoch."""
        return ProcessRun(self._opened(), epoch)

    def call(self, epoch: int, name: str, args: Sequence[Any], each: bool) -> list:
        """Calls a method on every worker's dataset, or on one worker's."""
        return self._opened().call(epoch, name, args, each)

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _opened(self) -> "Pool":
        with self._lock:
            if self._pool is None or self._pool.is_closed:
                self._pool = Pool(self._content, self._num_workers)
            return self._pool


class ProcessRun:
    """Reads samples of one epoch in a pool that other runs may use as well.

    Args:
      pool: the processes.
      epoch: whose dataset to read.
    """

    def __init__(self, pool: "Pool", epoch: int) -> None:
        self._pool, self._epoch = pool, epoch
        self._arrived: Arrived = deque()

    def length(self) -> int:
        """How many samples the epoch has, before any filter."""
        return self._pool.call(self._epoch, "__len__", (), each=False)[0]

    def submit(self, position: int, index: int) -> None:
        """Has a sample read; waits while every worker has enough to do."""
        self._pool.submit(self._arrived, position, self._epoch, index)

    def next_done(self) -> tuple[int, bool, Any]:
        """Waits for any: its position, and True and a sample or False and an error."""
        self._pool.wait(self._arrived, 1)
        return self._arrived.popleft()

    def close(self) -> None:
        """Wants no more; what is being read will be dropped."""
        self._pool.forget(self._arrived)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


class _Trial(pickle.Pickler):
    """Pickles without copying arrays, and refuses what a worker could not have."""

    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=5, buffer_callback=lambda _: False)

    def reducer_override(self, obj: Any) -> Any:
        if is_jax_array(obj):
            raise TypeError(
                f"it holds a JAX array, {describe(obj)}, and workers start no JAX."
                " jax.device_get(dataset) has NumPy arrays"
            )
        if _has_no_file(obj):
            raise TypeError(
                f"{describe(obj)} belongs to a session or command that lies in no file"
            )
        return NotImplemented


def _has_no_file(obj: Any) -> bool:
    """Whether it is a function or class that a worker cannot import."""
    if not isinstance(obj, type | FunctionType) or obj.__module__ != "__main__":
        return False
    main = sys.modules["__main__"]
    return main.__spec__ is None and not os.path.exists(getattr(main, "__file__", ""))


def check_sendable(name: str, value: Any) -> None:
    """Raises a TypeError if a process could not be sent a value.

    Args:
      name: what it is, for the error.
      value: what to try.

    Raises:
      TypeError: says what cannot be pickled.
    """
    try:
        _Trial().dump(value)
    except Exception as error:
        raise TypeError(
            f"ParallelDatasetIterator(backend='process') sends {name} to its workers,"
            f" but {describe(value)} cannot be pickled: {error}. Use functions of a"
            " module, with functools.partial for their arguments, or backend='thread'."
        ) from error
