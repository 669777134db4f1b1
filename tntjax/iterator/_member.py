"""A worker's process: how it starts, dies and ends."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from tntjax.iterator._shared import Block
from tntjax.iterator._worker import main

DEPTH = 2
"""Samples that a worker may have to read, so that the next waits while one is read."""

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

    `what` is for errors; `slot` says through which block a sample comes.
    """

    sink: Arrived | None
    position: int
    what: str
    slot: int | None


@dataclass
class Member:
    """A process, the pipe to it, and by ticket what it has been asked for."""

    number: int
    process: BaseProcess
    pipe: Connection
    blocks: Sequence[Block | None]
    tasks: dict[int, Task] = field(default_factory=dict)
    ready: bool = False

    def free_slot(self) -> int | None:
        """Returns a block for one more sample, None if there is enough to do."""
        if len(self.tasks) >= DEPTH:
            return None
        taken = {task.slot for task in self.tasks.values()}
        slots = (slot for slot in range(len(self.blocks)) if slot not in taken)
        return next(slot for slot in slots if not self._is_lent(slot))

    def may_lend(self) -> bool:
        """Whether there are blocks enough for what the worker still has to read."""
        lent = sum(map(self._is_lent, range(len(self.blocks))))
        return lent < LENT

    def _is_lent(self, slot: int) -> bool:
        block = self.blocks[slot]
        return block is not None and block.is_lent


def born(number: int) -> Member:
    """Starts a process that never was a copy of this one."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    # Elsewhere a file cannot be sent along, and samples go through the pipe.
    makes = Block.create if os.name == "posix" else lambda: None
    blocks = [makes() for _ in range(DEPTH + LENT)]
    process = context.Process(
        target=main, args=(number, other, blocks), name=f"tntjax-{number}", daemon=True
    )
    try:
        process.start()
    except BaseException:
        pipe.close()
        _close(blocks)
        raise
    finally:
        other.close()
    return Member(number, process, pipe, blocks)


_BIRTH = threading.Lock()


@contextlib.contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Puts Ctrl-C off until the end, where half of the work would be worse than none.

    Blocking the signal is not enough: another thread then takes it, and Python raises
    in the main thread all the same.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
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
def birth() -> Iterator[None]:
    """What a process inherits: no accelerator, and no Ctrl-C while it imports."""
    with _BIRTH, _ctrl_c_later():
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


def death(member: Member) -> RuntimeError:
    """The error for a process that is gone: how it ended and what it was at."""
    member.process.join(GRACE)
    code = member.process.exitcode
    if code is None:
        how = "closed its pipe"
    elif code < 0:
        how = f"was killed by {_signal_name(-code)}"
    else:
        how = f"ended with exit code {code}"
    at = next((task.what for task in member.tasks.values()), None)
    when = f"while it read {at}" if at else "while it had nothing to do"
    hint = ""
    if not member.ready:
        when = "before it was ready"
    if not member.ready and code is not None and code > 0:
        when += "; what it wrote to stderr says why"
        hint = (
            " In a script, what starts workers belongs under"
            " `if __name__ == '__main__':`, as each worker imports the script."
        )
    elif code == -9:
        hint = " If nobody killed it, the system may have run out of memory."
    return RuntimeError(
        f"ParallelDatasetIterator: worker {member.number} {how} {when}.{hint}"
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def end(members: Sequence[Member], owner: int) -> None:
    """Ends processes, those that are idle at once, and gives back what they used.

    Args:
      members: whose.
      owner: the process that started them; in a copy of it this does nothing.
    """
    if os.getpid() != owner:
        return
    with _ctrl_c_later():
        for member in members:
            member.pipe.close()  # which a worker that waits for a request notices
        deadline = time.monotonic() + GRACE
        for member in members:
            member.process.join(max(0.0, deadline - time.monotonic()))
        for member in members:
            if member.process.is_alive():
                member.process.kill()
            member.process.join()
            member.process.close()
            _close(member.blocks)


def _close(blocks: Sequence[Block | None]) -> None:
    for block in blocks:
        if block is not None:  # pragma: no branch - not on Windows
            block.close()
