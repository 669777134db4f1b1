"""A worker's process: how it starts, dies and ends."""

import contextlib
import errno
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tntjax.iterator._errors import WorkerError
from tntjax.iterator.workers._sending import Block, main_has_a_file
from tntjax.iterator.workers._worker import Read, main, seconds_left

LENT = 3
"""Samples of a worker that its consumer may have where they arrived. One that keeps
more gets copies of them, so the memory of the blocks does not grow."""

GRACE = 1.0
"""Seconds that a worker has for what it is at before it is ended."""

Arrived = deque[tuple[int, bool, Any]]
"""Replies: the number in the run, and True and a sample, or False and an error."""


@dataclass
class Task:
    """A request under way, and who waits for its reply: None if nobody does any more.

    `what` is for errors, `slot` is the block that a sample comes through.
    """

    sink: Arrived | None
    position: int
    what: str
    slot: int | None = None
    timeout: float | None = None


@dataclass
class WorkerProcess:
    """A process, the pipe to it, and by ticket what it was asked for.

    It is at the first of its tasks, as far as is known `since` when.
    """

    number: int
    process: BaseProcess
    pipe: Connection
    blocks: Sequence[Block | None]
    tasks: dict[int, Task] = field(default_factory=dict)
    ready: bool = False
    since: float = 0.0

    def check_time(self) -> None:
        """Raises a TimeoutError if the first task takes longer than it may."""
        task = next(iter(self.tasks.values()), None)
        if self.ready and task is not None and task.timeout is not None:
            seconds_left(self.number, Read(task.what, self.since), task.timeout)

    def free_slot(self) -> int | None:
        """Returns a block for one more sample, None if there is enough to do."""
        # At most LENT are lent, so there is a block for each of so many tasks.
        if len(self.tasks) >= len(self.blocks) - LENT:
            return None
        taken = {task.slot for task in self.tasks.values()}
        slots = (slot for slot in range(len(self.blocks)) if slot not in taken)
        return next(slot for slot in slots if not self._is_lent(slot))

    def may_lend(self) -> bool:
        """True if there are blocks enough for what the worker still has to read."""
        return sum(map(self._is_lent, range(len(self.blocks)))) < LENT

    def _is_lent(self, slot: int) -> bool:
        block = self.blocks[slot]
        return block is not None and block.is_lent


def start_process(number: int, prefetch: int) -> WorkerProcess:
    """Starts a process that never was a copy of this one, with blocks for so many."""
    if multiprocessing.current_process().daemon:
        raise RuntimeError(
            "ParallelDatasetIterator: a process that is a worker cannot have processes"
            " of its own. Use backend='thread' in it, or outside."
        )
    # Never a fork: JAX and its threads do not survive one.
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    # Elsewhere a file cannot be sent along, and samples go through the pipe.
    makes = Block.create if os.name == "posix" else lambda: None
    blocks: list[Block | None] = []
    args = number, other, blocks
    name = f"tntjax-{number}"
    process = context.Process(target=main, args=args, name=name, daemon=True)
    try:
        blocks.extend(makes() for _ in range(prefetch + LENT))  # one by one
        process.start()
    except BaseException as error:
        pipe.close()
        _close(blocks)
        if isinstance(error, OSError) and error.errno == errno.EMFILE:
            error.add_note(
                f"ParallelDatasetIterator(prefetch={prefetch}): a process takes"
                f" {prefetch + LENT} files for samples, and some more. Choose a smaller"
                " prefetch, fewer workers, or a higher limit: ulimit -n."
            )
        raise
    finally:
        other.close()  # the worker has it; a second copy would hide that it died
    return WorkerProcess(number, process, pipe, blocks)


_SPAWNING = threading.Lock()
"""Held while the environment, which all threads share, is that of a worker."""


@contextlib.contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Puts Ctrl-C off until the end: half of the work would be worse than none."""
    # Blocking the signal is not enough: another thread then takes it, and Python raises
    # in the main thread all the same.
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    # What is ignored stays so, for processes that are started here as well.
    if not is_main or before in (None, signal.SIG_IGN):
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _without_main_file() -> Iterator[None]:
    """Hides the name of a main program that lies in no file, such as `<stdin>`."""
    # A process would look for the file. `check_sendable` refused what is defined in it.
    main = sys.modules["__main__"]
    if main_has_a_file() or not hasattr(main, "__file__"):
        yield
        return
    name = vars(main).pop("__file__")
    try:
        yield
    finally:
        main.__file__ = name


@contextlib.contextmanager
def spawn_environment() -> Iterator[None]:
    """Sets what spawned workers inherit: JAX on the CPU, and Ctrl-C blocked."""
    with _SPAWNING, _ctrl_c_later(), _without_main_file():
        platforms = os.environ.get("JAX_PLATFORMS")
        os.environ["JAX_PLATFORMS"] = "cpu"
        mask = None
        if hasattr(signal, "pthread_sigmask"):  # pragma: no branch - not on Windows
            resource_tracker.ensure_running()  # or it would unblock on its own start
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            os.environ.pop("JAX_PLATFORMS", None)
            if platforms is not None:
                os.environ["JAX_PLATFORMS"] = platforms
            if mask is not None:  # pragma: no branch - not on Windows
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def exit_error(worker: WorkerProcess) -> WorkerError:
    """Makes the error for a process that is gone: how it ended and what it was at."""
    worker.process.join(GRACE)  # its pipe may close before its exit code is known
    code = worker.process.exitcode
    if code is None:
        how = "closed its pipe"
    elif code < 0:
        names = {number.value: number.name for number in signal.Signals}
        how = f"was killed by {names.get(-code, f'signal {-code}')}"
    else:
        how = f"ended with exit code {code}"
    at = next((task.what for task in worker.tasks.values()), None)
    when = f"while it read {at}" if at else "while it had nothing to do"
    hint = ""
    if not worker.ready:
        when = "before it was ready"
    if not worker.ready and code is not None and code > 0:
        when += "; what it wrote to stderr says why"
        if main_has_a_file():
            hint = (
                " In a script, what starts workers belongs under"
                " `if __name__ == '__main__':`, as each worker imports the script."
            )
    elif code == -9:
        hint = " If nobody killed it, the system may have run out of memory."
    return WorkerError(
        f"ParallelDatasetIterator: worker {worker.number} {how} {when}.{hint}"
    )


def end_processes(workers: Sequence[WorkerProcess], owner: int, lock: Any) -> None:
    """Ends processes, those that are idle at once, and gives back what they used."""
    if os.getpid() != owner:  # a copy of the process that started them
        return
    with _ctrl_c_later(), contextlib.ExitStack() as stack:
        # With the lock of their pool: a daemon thread may still look at them as the
        # interpreter ends, and of two that ask how a process ended only one is told.
        # But not for ever, as a thread that has it may be stuck.
        if lock.acquire(timeout=GRACE):
            stack.callback(lock.release)
        for worker in workers:
            worker.pipe.close()  # which a worker that waits for a request notices
        deadline = time.monotonic() + GRACE  # one for all, whatever their number
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        for worker in workers:
            if worker.process.is_alive():
                worker.process.kill()
            worker.process.join()
            worker.process.close()
            _close(worker.blocks)


def _close(blocks: Sequence[Block | None]) -> None:
    for block in blocks:
        if block is not None:  # pragma: no branch - not on Windows
            block.close()
