"""How reads that are under way end: Ctrl-C, errors of any kind, and no noise."""

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.garbage import left_by
from tntjax.dataset import (
    CoroutineBatchDataset,
    ListDataset,
    ShuffleDataset,
    _deferred,
)
from tntjax.dataset._daemon_threads import DaemonThreads, answer
from tntjax.dataset._deferred import ReadingLoop, find_loop

ROOT = Path(__file__).resolve().parents[2]
LONG = 1200  # seconds of a read that is not to be waited for
SOON = 600  # far more than any of this takes on a busy machine


@pytest.fixture(autouse=True)
def nothing_is_left(caplog):
    """No thread, and no word of a task or coroutine that was forgotten."""
    before = set(threading.enumerate())
    yield
    wait_until(lambda: before.issuperset(threading.enumerate()))
    assert not caplog.records


def wait_until(condition):
    """Waits for what comes when the last thread lets go, and garbage is collected."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
        gc.collect()


def script(read):
    return read()


def notebook(read):
    """Reads within a loop that runs and, unlike `asyncio.run`, leaves Ctrl-C alone."""

    async def cell():
        return read()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(cell())
    finally:
        loop.close()


@pytest.fixture(params=[script, notebook])
def within(request):
    return request.param


def batch(*promises, **options):
    samples = ListDataset(range(len(promises)), promises.__getitem__)
    dataset = CoroutineBatchDataset(samples, len(promises), **options)
    return lambda: dataset[0].tolist()


class Reads:
    """Reads that take long, and what becomes of them."""

    def __init__(self):
        self.begun, self.released = threading.Event(), threading.Event()
        self.log = []

    async def wait(self):
        try:
            self.begun.set()
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise

    def block(self):
        self.begun.set()
        self.released.wait(LONG)
        return self.wait()  # nobody is there to await it

    async def stay(self):
        """Does not end when it is cancelled."""
        self.begun.set()
        end = time.monotonic() + LONG
        while not self.released.is_set() and time.monotonic() < end:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                self.log.append("cancelled")

    async def fail(self, error):
        while not self.begun.is_set():
            await asyncio.sleep(0.001)
        raise error


@pytest.fixture
def reads():
    reads = Reads()
    yield reads
    reads.released.set()


@pytest.fixture
def pending():
    """A future that nobody answers, but not for ever: a test is to fail, not hang."""
    future = Future()
    guard = threading.Timer(LONG, future.cancel)
    guard.start()
    yield future
    guard.cancel()


def ctrl_c(reads):
    main = threading.main_thread().ident
    assert main is not None

    def interrupt():
        reads.begun.wait(SOON)
        time.sleep(0.3)  # a signal just before a wait does not break it off
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()


needs_posix = pytest.mark.skipif(os.name != "posix", reason="sends signals")


@pytest.mark.slow
@needs_posix
def test_ctrl_c_cancels_what_waits(within, reads, pending):
    never = reads.wait()
    read = batch(reads.wait(), reads.wait(), pending, never, concurrency=2)
    ctrl_c(reads)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        within(read)
    assert time.monotonic() - start < SOON
    assert reads.log == ["cancelled"] * 2
    assert pending.cancelled()


@pytest.mark.slow
@needs_posix
def test_ctrl_c_leaves_a_function_behind_that_blocks(within, reads):
    ctrl_c(reads)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        within(batch(reads.block))
    assert time.monotonic() - start < SOON


@pytest.mark.slow
@needs_posix
def test_ctrl_c_in_a_notebook_leaves_a_coroutine_behind_that_stays(reads):
    ctrl_c(reads)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        notebook(batch(reads.stay()))
    assert time.monotonic() - start < SOON
    assert reads.log == ["cancelled"]


SCRIPT = """
import asyncio, signal, threading, time
import tntjax as tnt

def block():
    threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
    time.sleep(1200)

async def wait():
    await asyncio.sleep(1200)

async def cell():
    dataset[0]

main = threading.main_thread().ident
reads = [wait, lambda: block]
dataset = tnt.CoroutineBatchDataset(tnt.ListDataset(reads, lambda read: read()), 2)
"""


@pytest.mark.slow
@needs_posix
@pytest.mark.parametrize(
    "read", ["dataset[0]", "asyncio.new_event_loop().run_until_complete(cell())"]
)
def test_ctrl_c_ends_a_program(tmp_path, read):
    file = tmp_path / "script.py"
    file.write_text(SCRIPT + read)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, str(file)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=SOON,
    )
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr.endswith("\nKeyboardInterrupt\n")
    assert "never" not in ended.stderr  # retrieved, awaited


# ---- errors -------------------------------------------------------------------------


def raises(error):
    raise error


async def raises_later(error):
    await asyncio.sleep(0)
    raise error


async def raises_in_a_task(error):
    await asyncio.create_task(raises_later(error))


def failed(error):
    future = Future()
    future.set_exception(error)
    return future


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    "promise", [lambda error: lambda: raises(error), raises_later, failed]
)
def test_any_error_reaches_the_caller_as_it_is(within, reads, promise, error):
    raised = error("mine")
    with pytest.raises(error) as caught:
        within(batch(reads.wait(), promise(raised)))
    assert caught.value is raised
    assert caught.value.__context__ is None


@pytest.mark.slow
def test_an_exit_in_a_task_of_a_read_reaches_the_caller(within, reads):
    with pytest.raises(SystemExit, match="mine"):
        within(batch(reads.wait(), raises_in_a_task(SystemExit("mine"))))


@pytest.mark.slow
def test_an_error_leaves_a_function_behind_that_blocks(within, reads):
    start = time.monotonic()
    with pytest.raises(OSError, match="gone"):
        within(batch(reads.block, reads.fail(OSError("gone"))))
    assert time.monotonic() - start < SOON


@pytest.mark.slow
def test_an_error_leaves_a_coroutine_behind_that_stays(within, reads):
    start = time.monotonic()
    with pytest.raises(OSError, match="gone"):
        within(batch(reads.stay(), reads.fail(OSError("gone"))))
    assert time.monotonic() - start < SOON


def test_a_coroutine_that_would_wait_for_its_own_loop_is_told():
    async def read():
        return dataset[0]

    dataset = CoroutineBatchDataset(ListDataset(range(1), lambda _: read()), 1)
    with pytest.raises(RuntimeError, match="cannot wait for a batch.*a function"):
        dataset[0]


@pytest.mark.slow
def test_an_error_waits_a_little_for_functions_that_run(within, reads, monkeypatch):
    monkeypatch.setattr(_deferred, "GRACE", SOON)
    log = []

    def finish():
        reads.begun.set()
        time.sleep(0.1)
        log.append("finished")

    with pytest.raises(OSError, match="gone"):
        within(batch(finish, reads.fail(OSError("gone"))))
    assert log == ["finished"]


@pytest.mark.slow
def test_the_first_that_fails_is_the_error(within):
    async def fail(index):
        await asyncio.sleep(0.01 * (index == 0))
        raise OSError(f"gone {index}")

    with pytest.raises(OSError, match=r"gone 1\n.*reading sample 1"):
        within(batch(fail(0), fail(1), fail(2)))


@pytest.mark.slow
def test_a_read_that_cancels_itself_is_an_error(within):
    async def give_up():
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(LONG)

    with pytest.raises(CancelledError, match="reading sample 1"):
        within(batch(raises_never(), give_up()))


async def raises_never():
    return 0


def test_an_error_without_a_loop_is_the_only_one(within, monkeypatch):
    def no_files():
        raise OSError("Too many open files")

    def read():
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "new_event_loop", no_files)
            batch(raises_never(), raises_never())()

    with pytest.raises(OSError, match="Too many open files"):
        within(read)


def test_a_task_of_a_loop_that_was_closed_is_refused():
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    future.add_done_callback(print)
    loop.close()
    with pytest.raises(TypeError, match="belongs to the loop"):
        batch(future)()


# ---- what reads see -----------------------------------------------------------------


@pytest.mark.slow
def test_a_future_takes_no_place_of_those_that_run(within, pending):
    def give():
        pending.set_result(1)
        return 2

    assert within(batch(pending, give, concurrency=1)) == [1, 2]


def test_reads_see_the_context_variables_of_the_caller(within):
    variable = contextvars.ContextVar("variable", default=0)

    async def coroutine():
        return variable.get()

    def read():
        variable.set(7)
        return batch(variable.get, coroutine(), lambda: coroutine())()

    assert contextvars.copy_context().run(within, read) == [7, 7, 7]


def test_a_function_that_was_cancelled_in_time_is_not_called():
    called, future = [], Future()
    future.cancel()
    answer(future, lambda: called.append(1))
    assert not called


def test_a_thread_that_is_idle_is_used_again():
    threads = DaemonThreads()
    for _ in range(100):
        threads.submit(int).result()
        time.sleep(0.001)  # a thread is idle a little after its answer
    assert [thread.name for thread in threading.enumerate()].count("tnt-reads") < 100
    threads.close()


# ---- the loop -----------------------------------------------------------------------


class Store:
    """A store with one connection, which belongs to the loop that opened it."""

    def __init__(self):
        self.loops, self.lock = set(), None

    def __len__(self):
        return 8

    async def fetch(self, index):
        self.loops.add(asyncio.get_running_loop())
        self.lock = self.lock or asyncio.Lock()
        async with self.lock:
            await asyncio.sleep(0.001)  # so that the lock binds itself to the loop
        return index

    def __getitem__(self, index):
        return self.fetch(index)


def test_a_connection_outlives_a_batch_and_an_epoch(within):
    store = Store()
    for epoch in range(3):
        dataset = CoroutineBatchDataset(ShuffleDataset(store, epoch), 4)
        batches = within(partial(list, dataset))
        assert sorted(np.concatenate(batches)) == list(range(8))
    assert len(store.loops) == 1


def test_the_loop_ends_with_the_store():
    store = Store()
    CoroutineBatchDataset(store, 4)[0]
    (loop,) = store.loops
    assert loop.is_running()
    del store
    wait_until(loop.is_closed)


def test_a_loop_that_ends_cancels_what_still_runs():
    log = []

    class Background(Store):
        async def fetch(self, index):
            self.task = asyncio.create_task(asyncio.sleep(LONG))
            self.task.add_done_callback(lambda task: log.append(task.cancelled()))
            return await super().fetch(index)

    CoroutineBatchDataset(Background(), 1)[0]
    wait_until(lambda: log)
    assert log == [True]


def test_stores_have_loops_of_their_own():
    stores = Store(), Store()
    for store in stores:
        CoroutineBatchDataset(store, 4)[0]
    assert stores[0].loops.isdisjoint(stores[1].loops)


def test_a_copy_of_the_process_has_a_loop_of_its_own(monkeypatch):
    store = Store()
    first = find_loop(CoroutineBatchDataset(store, 4))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    second = find_loop(CoroutineBatchDataset(store, 4))
    assert second is not first
    assert find_loop(CoroutineBatchDataset(store, 4)) is second


def test_a_loop_may_be_closed_from_inside():
    async def close():
        loop.close()

    loop = ReadingLoop()
    assert loop.run(close()) is None


async def fetch(index):
    return fetch_now(index)


def fetch_now(index):
    if index == 2:
        raise OSError("disk")
    return index


def give_future(index):
    future = Future()
    call = partial(fetch_now, index)
    threading.Thread(target=answer, args=(future, call)).start()  # as a pool does
    return future


@pytest.mark.parametrize(
    "promise",
    [fetch, lambda index: partial(fetch_now, index), give_future],
    ids=["coroutine", "function", "future"],
)
def test_an_error_holds_no_loop(promise):
    """Nor its threads and its three files, until garbage is collected."""

    def read():
        with suppress(OSError):  # pytest.raises would make a cycle of its own
            CoroutineBatchDataset(ListDataset(range(4), promise), 4)[0]

    assert left_by(read) == []
