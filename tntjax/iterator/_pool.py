"""Processes at work: who is asked for what, and where the replies go."""

import contextlib
import os
import pickle
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any

from tntjax._struct import describe
from tntjax.iterator._errors import WorkerError, unpack_error
from tntjax.iterator._member import Arrived, Member, Task, birth, born, death, end
from tntjax.iterator._sending import pack_content
from tntjax.iterator._shared import unpack
from tntjax.iterator._worker import READY

SOON = 0.05
"""Seconds after which a thread that waits looks whether another took its replies."""


class Pool:
    """Processes, each with a pipe of its own, so that none can block another.

    Args:
      content: `(closure, init)`.
      num_workers: how many processes.
      prefetch: how many samples each may have to read.
    """

    def __init__(
        self, content: tuple[Any, Any], num_workers: int, prefetch: int
    ) -> None:
        self._lock, self._tickets = threading.RLock(), 0
        self._ended: str | None = None
        self._owner = os.getpid()
        self._members: list[Member] = []
        self._end = weakref.finalize(self, end, self._members, self._owner, self._lock)
        payload = pack_content(content)
        with self._whole():
            with birth():
                for number in range(num_workers):
                    self._members.append(born(number, prefetch))
            for member in self._members:  # all are on their way: now what may block
                self._send(member, payload)

    @property
    def is_closed(self) -> bool:
        """Whether they were ended, have failed, or are those of another process."""
        return self._ended is not None or self._owner != os.getpid()

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            self._ended = self._ended or "its workers were closed before it was done"
            self._end()

    def submit(self, task: Task, request: tuple[int, int, int]) -> None:
        """Has a sample read, once a worker has little enough to do.

        Args:
          task: who waits for it.
          request: epoch, index and how many samples there are.
        """
        with self._when(lambda: self._idlest().free_slot() is not None):
            member = self._idlest()
            task.slot = member.free_slot()
            self._ask(member, task, "get", request)

    def length(self, epoch: int, timeout: float | None) -> int:
        """Counts the samples of an epoch."""
        members = [self._idlest()]
        return self._ask_each(members, "len(dataset)", "length", (epoch,), timeout)[0]

    def call(self, epoch: int, name: str, args: Sequence[Any], each: bool) -> list:
        """Calls a method on every worker's dataset, or on one worker's."""
        pickle.dumps(args, protocol=5)  # an error of the caller's, before all else
        members = self._members if each else [self._idlest()]
        return self._ask_each(members, f"dataset.{name}", "call", (epoch, name, args))

    def wait(self, sink: Arrived, count: int) -> None:
        """Waits until that many replies are there."""
        with self._when(lambda: len(sink) >= count):
            pass

    def forget(self, sink: Arrived) -> None:
        """Drops what comes for somebody who is gone."""
        with self._lock:
            for member in self._members:
                for task in member.tasks.values():
                    if task.sink is sink:
                        task.sink = None

    @contextlib.contextmanager
    def _when(self, condition: Callable[[], bool]) -> Iterator[None]:
        """Takes replies until a condition holds, then lets nobody else interfere.

        While it waits others may take its replies for it, or close the pool.
        """
        while True:
            with self._whole():
                self._receive()
                if condition():
                    yield
                    return
                for member in self._members:
                    member.check_time()
                handles: list[Any] = [member.pipe for member in self._members]
                handles += [member.process.sentinel for member in self._members]
            with contextlib.suppress(OSError):  # closed just now
                connection.wait(handles, SOON)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """One thread at a time; what breaks off in between ends the pool."""
        with self._lock:
            if self._ended is not None:
                raise WorkerError(f"ParallelDatasetIterator: {self._ended}.")
            try:
                yield
            except BaseException as error:
                self._ended = f"its workers were ended by {describe(error)}"
                self._end()
                raise

    def _ask_each(
        self,
        members: Sequence[Member],
        what: str,
        method: str,
        args: tuple,
        timeout: float | None = None,
    ) -> list:
        sink: Arrived = deque()
        for member in members:
            # A worker that writes does not read, so much is sent to an idle one only.
            with self._when(lambda member=member: not member.tasks):
                task = Task(sink, member.number, what, timeout=timeout)
                self._ask(member, task, method, args)
        self.wait(sink, len(members))
        for _, fine, value in sink:
            if not fine:
                raise value
        return [value for _, _, value in sorted(sink, key=lambda reply: reply[0])]

    def _idlest(self) -> Member:
        return min(self._members, key=lambda member: len(member.tasks))

    def _ask(self, member: Member, task: Task, method: str, args: tuple) -> None:
        self._tickets += 1
        if not member.tasks:
            member.since = time.monotonic()
        member.tasks[self._tickets] = task
        request = (self._tickets, task.slot, task.what, method, args)
        self._send(member, pickle.dumps(request, protocol=5))

    def _send(self, member: Member, message: bytes) -> None:
        try:
            member.pipe.send_bytes(message)
        except OSError:
            raise death(member) from None

    def _receive(self) -> None:
        """Takes the replies that are there, and notices a worker that died."""
        for member in self._members:
            alive = member.process.is_alive()
            try:
                while member.pipe.poll():
                    self._deliver(member, member.pipe.recv_bytes())
            except (EOFError, OSError):
                raise death(member) from None
            if not alive:
                raise death(member)

    def _deliver(self, member: Member, message: bytes) -> None:
        member.since = time.monotonic()
        if message == READY:
            member.ready = True
            return
        ticket, fine, content, sizes = pickle.loads(message)
        task = member.tasks.pop(ticket)
        if task.sink is None:
            return
        try:
            block = None if task.slot is None else member.blocks[task.slot]
            if fine:
                value = unpack(content, sizes, block, member.may_lend())
            else:
                value = unpack_error(content)
        except Exception as error:
            error.add_note(
                f"ParallelDatasetIterator: {task.what} came from worker"
                f" {member.number}, but could not be rebuilt."
            )
            fine, value = False, error
        task.sink.append((task.position, fine, value))
