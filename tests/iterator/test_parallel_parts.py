"""What runs in the workers' processes, called here."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from types import ModuleType, SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from tests.iterator import parallel_cases as cases
from tntjax.iterator import _parallel_dataset
from tntjax.iterator._errors import WorkerError, pack_error, unpack_error
from tntjax.iterator.workers import _process, _sending, _worker
from tntjax.iterator.workers._process import LENT, Task, WorkerProcess
from tntjax.iterator.workers._sending import SMALL, Block, pack, unpack
from tntjax.iterator.workers._worker import Worker, main, serve, unpack_closure


@pytest.fixture
def block():
    block = Block.create()
    yield block
    block.close()


@pytest.fixture
def pipe():
    ours, theirs = multiprocessing.Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_large_arrays_go_through_the_block_and_small_ones_do_not(block):
    large = np.arange(SMALL, dtype=np.int64)
    sample = {"large": large, "small": np.arange(3), "text": "abc"}
    pickled, sizes = pack(sample, block)
    assert sizes == [large.nbytes]
    assert len(pickled) < SMALL
    again = unpack(pickled, sizes, block)
    np.testing.assert_array_equal(again["large"], large)
    np.testing.assert_array_equal(again["small"], sample["small"])
    assert again["text"] == "abc"


def test_what_was_read_is_a_copy_that_can_be_written(block):
    first = unpack(*pack(np.full(SMALL, 1), block), block)
    second = unpack(*pack(np.full(SMALL, 2), block), block)
    assert (first == 1).all()
    second += 1
    assert (second == 3).all()


def test_a_block_is_lent_as_long_as_something_sees_it(block):
    sample = {"x": np.arange(SMALL), "y": np.arange(3 * SMALL)[::-1]}
    assert not block.is_lent
    again = unpack(*pack(sample, block), block, lend=True)
    assert again["x"].flags.writeable
    part = again["y"][5:7]
    del again
    assert block.is_lent
    block.close()
    np.testing.assert_array_equal(part, sample["y"][5:7])
    del part
    assert not block.is_lent


def test_a_worker_lends_some_blocks_and_has_others_to_read_into():
    blocks = [Block.create() for _ in range(2 + LENT)]
    member = WorkerProcess(0, None, None, blocks)
    kept, array = [], np.arange(SMALL)
    while member.may_lend():
        slot = member.free_slot()
        member.tasks[slot] = Task(None, 0, "", slot)
        kept.append(unpack(*pack(array, blocks[slot]), blocks[slot], lend=True))
        del member.tasks[slot]
    assert len(kept) == LENT
    for _ in range(2):
        slot = member.free_slot()
        assert not blocks[slot].is_lent
        member.tasks[slot] = Task(None, 0, "", slot)
    assert member.free_slot() is None
    kept.pop()
    assert member.may_lend()
    for lent in blocks:
        lent.close()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(60_000).reshape(200, 300)[:, ::-1],
        np.arange(60_000).reshape(200, 300).T,
        np.arange(60_000).reshape(200, 300)[::2, ::3],
        np.asfortranarray(np.arange(60_000.0).reshape(200, 300)),
        np.zeros((0, 5)),
        np.zeros(10_000, [("a", np.int8), ("b", np.float32)]),
        np.arange(10_000).astype("datetime64[s]"),
        np.array(["text"] * 1000, object),
        np.array(["text"] * 5000),
        np.ma.masked_array(np.arange(5000), np.arange(5000) % 2),
    ],
    ids=lambda array: f"{type(array).__name__}-{array.dtype}-{array.shape}",
)
def test_every_kind_of_array_arrives(array, block):
    for through in (block, None):
        again = unpack(*pack({"x": array}, through), through)["x"]
        assert type(again) is type(array)
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("length", [3, SMALL])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: read_only(np.arange(n)),
        lambda n: read_only(np.arange(2 * n))[::2],
        lambda n: read_only(np.asfortranarray(np.arange(2.0 * n).reshape(2, n))),
        lambda n: np.frombuffer(bytes(n), np.uint8),
        lambda n: np.broadcast_to(np.float32(1), (n, 2)),
        lambda n: jnp.arange(n),
    ],
    ids=["array", "view", "of Fortran", "of bytes", "broadcast", "of jax"],
)
def test_an_array_arrives_writable(make, length, block):
    array = make(length)
    for through, lend in ((block, True), (block, False), (None, False)):
        again = unpack(*pack([array, array], through), through, lend)
        np.testing.assert_array_equal(again[0], array)
        assert again[0] is again[1]
        again[0][:] = 1


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_part_of_a_mapped_file_arrives_as_an_array(mode, block, tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(20_000).reshape(2, 10_000))
    row = np.load(tmp_path / "rows.npy", mmap_mode=mode)[1]
    pickled, sizes = pack(row, block)
    assert sizes == [80_000] and len(pickled) < 500
    again = unpack(pickled, sizes, block)
    assert type(again) is np.ndarray and (again == row).all()
    again[:] = 1
    assert row[0] == 10_000


def test_pixels_of_a_view_are_not_in_the_pickle(block):
    flipped = np.zeros((100, 100), np.uint8)[:, ::-1]
    pickled, sizes = pack(flipped, block)
    assert sizes == [10_000]
    assert len(pickled) < 500


def test_a_block_grows_and_both_sides_see_it(block):
    other = Block(os.dup(block._descriptor))
    for size in (10_000, 300, 2_000_000, 5_000):
        array = np.random.default_rng(size).integers(255, size=size, dtype=np.uint8)
        pickled, sizes = pack([array, array[:-1].copy()], block)
        again = unpack(pickled, sizes, other)
        np.testing.assert_array_equal(again[0], array)
        np.testing.assert_array_equal(again[1], array[:-1])
    other.close()
    other.close()  # once more is nothing


def test_a_block_that_came_with_a_process(block):
    descriptor = SimpleNamespace(detach=lambda: os.dup(block._descriptor))
    other = _sending._receive_block(descriptor)
    array = np.arange(5000)
    np.testing.assert_array_equal(unpack(*pack(array, block), other), array)
    other.close()


def test_jax_arrays_become_numpy_arrays(block):
    again = unpack(*pack({"x": jnp.arange(5000)}, block), block)["x"]
    assert type(again) is np.ndarray
    np.testing.assert_array_equal(again, np.arange(5000))


def test_without_memfd_a_file_without_a_name_does(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    block = Block.create()
    array = np.arange(5000)
    np.testing.assert_array_equal(unpack(*pack(array, block), block), array)
    block.close()


def test_an_error_keeps_its_kind_notes_and_traceback():
    try:
        cases.failing(0)[6]
    except ValueError as error:
        error.add_note("a note")
        again = unpack_error(pack_error(error))
    assert type(again) is ValueError
    assert again.args == ("bad file",)
    assert again.__notes__ == ["a note"]
    assert "raise self.error" in str(again.__cause__)


def test_an_error_that_only_the_worker_knows_is_told():
    packed = pickle.dumps((b"not a pickle", "Traceback\nOdd: this\n"))
    error = unpack_error(packed)
    assert type(error) is WorkerError
    assert "Odd: this" in str(error)


def test_a_worker_keeps_the_datasets_of_two_epochs():
    made = []

    def of_epoch(epoch):
        made.append(epoch)
        return [epoch]

    worker = Worker(0, of_epoch, None)
    for epoch in (0, 1, 0, 1, 2, 2, 1, 0):
        assert worker.get(epoch, 0, 1) == epoch
    assert made == [0, 1, 2, 0]


def ask(pipe, *request):
    pipe.send(request)
    return pickle.loads(pipe.recv_bytes())


def test_a_worker_answers_until_its_consumer_is_gone(pipe, block):
    ours, theirs = pipe
    worker = Worker(1, cases.failing, cases.initialise)
    thread = threading.Thread(target=serve, args=(worker, theirs, [block]))
    thread.start()
    ticket, fine, pickled, sizes = ask(ours, 7, 0, "dataset[3]", "get", (0, 3, 10))
    assert (ticket, fine, unpack(pickled, sizes, block)) == (7, True, 3)
    ticket, fine, packed, _ = ask(ours, 8, 0, "dataset[6]", "get", (0, 6, 10))
    assert (ticket, fine) == (8, False)
    assert "worker 1 was reading dataset[6]" in unpack_error(packed).__notes__[0]
    ticket, fine, pickled, _ = ask(ours, 9, None, "its length", "length", (0,))
    assert (ticket, fine, pickle.loads(pickled)) == (9, True, 10)
    worker._source = [None, lambda: None, *range(8)]
    ticket, fine, packed, _ = ask(ours, 10, 0, "dataset[1]", "get", (0, 1, 10))
    assert not fine
    assert "dataset[1] cannot be sent" in unpack_error(packed).__notes__[0]
    ours.close()
    thread.join()


def test_a_worker_stops_if_nobody_takes_its_answer(pipe):
    ours, theirs = pipe
    ours.send((1, None, "dataset[0]", "get", (0, 0, 1)))
    ours.close()
    serve(Worker(0, [1], None), theirs, [])


def test_the_life_of_a_process(pipe, monkeypatch):
    monkeypatch.setattr(_worker, "leave_with", lambda parent: parents.append(parent))
    ours, theirs = pipe
    parents = []
    before = signal.getsignal(signal.SIGINT)
    ours.send_bytes(pickle.dumps((cases.failing, None)))
    ours.send((1, None, "dataset[4]", "get", (0, 4, 10)))

    def consume():
        assert ours.recv_bytes() == _worker.READY
        replies.append(pickle.loads(ours.recv_bytes()))
        ours.close()

    replies = []
    thread = threading.Thread(target=consume)
    thread.start()
    try:
        main(0, theirs, [])
        os.kill(os.getpid(), signal.SIGINT)  # is nothing to it
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert parents == [os.getppid()]
    assert replies == [(1, True, pickle.dumps(4, protocol=5), [])]


def test_ctrl_c_comes_later():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with _process._ctrl_c_later():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(signal.getsignal(signal.SIGINT))
    assert len(done) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_left_to_the_main_thread():
    def look():
        with _process._ctrl_c_later():
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_process_leaves_with_its_parent(monkeypatch):
    parents, codes = iter([7, 7, 1]), []
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(os, "_exit", codes.append)
    _worker.leave_with(7, seconds=0.001)
    assert codes == [1]
    assert list(parents) == []


def test_a_process_that_was_given_up_before_it_began(pipe, monkeypatch):
    monkeypatch.setattr(_worker, "leave_with", lambda parent: None)
    ours, theirs = pipe
    before = signal.getsignal(signal.SIGINT)
    ours.close()
    try:
        main(0, theirs, [])
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_process_that_was_born_ignoring_ctrl_c_ignores_it(pipe, monkeypatch):
    monkeypatch.setattr(_worker, "leave_with", lambda parent: None)
    ours, theirs = pipe
    ours.close()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        main(0, theirs, [])
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_closure_that_cannot_be_found_says_what_to_do():
    payload = pickle.dumps((cases.gone, None)).replace(b"gone", b"goes")
    closure, init = unpack_closure(payload)
    assert init is None
    with pytest.raises(AttributeError, match="travel by name"):
        closure()


class Ended:
    def __init__(self, exitcode):
        self.exitcode = exitcode

    def join(self, timeout):
        pass


@pytest.mark.parametrize(
    ("exitcode", "ready", "text"),
    [
        (None, True, "worker 2 closed its pipe while it had nothing to do."),
        (3, True, "worker 2 ended with exit code 3 while it had nothing to do."),
        (-signal.SIGTERM, True, "was killed by SIGTERM while it had nothing to do."),
        (-99, True, "worker 2 was killed by signal 99 while"),
        (1, False, "exit code 1 before it was ready; what it wrote to stderr says why"),
        (-9, False, "SIGKILL before it was ready. If nobody killed it, the system may"),
        (None, False, "closed its pipe before it was ready."),
    ],
)
def test_how_a_process_died(exitcode, ready, text, pipe):
    member = WorkerProcess(2, Ended(exitcode), pipe[0], [], {}, ready)
    assert text in str(_process.exit_error(member))


def test_a_session_has_no_main_program_to_guard(pipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    error = str(_process.exit_error(WorkerProcess(2, Ended(1), pipe[0], [])))
    assert error.endswith("before it was ready; what it wrote to stderr says why.")


def test_a_main_program_without_a_file_is_not_looked_for(monkeypatch):
    main = ModuleType("__main__")
    main.__file__ = "<stdin>"
    monkeypatch.setitem(sys.modules, "__main__", main)
    with _process.spawn_environment():
        assert not hasattr(main, "__file__")
    assert main.__file__ == "<stdin>"


class Over:
    def is_alive(self):
        return False


def test_a_daemon_thread_that_fails_as_the_program_ends_is_held_up(monkeypatch):
    held = []
    monkeypatch.setattr(_parallel_dataset, "_never_return", lambda: held.append(True))

    def fails():
        try:
            with _parallel_dataset.quiet_at_exit():
                raise ValueError("the workers are gone")
        except ValueError:
            held.append(False)

    def run(daemon):
        thread = threading.Thread(target=fails, daemon=daemon)
        thread.start()
        thread.join()

    run(True)
    assert held == [False]
    monkeypatch.setattr(threading, "main_thread", Over)
    run(False)
    assert held == [False, False]
    run(True)
    assert held == [False, False, True, False]


def test_a_thread_that_cannot_return_waits_for_the_end(monkeypatch):
    waits = []
    event = SimpleNamespace(wait=lambda: waits.append(True))
    monkeypatch.setattr(threading, "Event", lambda: event)
    _parallel_dataset._never_return()
    assert waits == [True]


def test_ctrl_c_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _process._ctrl_c_later():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_process_was_at_when_it_died(pipe):
    tasks = {4: Task(None, 0, "dataset[9]", 0), 5: Task(None, 1, "dataset[10]", 1)}
    member = WorkerProcess(0, Ended(-9), pipe[0], [None] * (2 + LENT), tasks, True)
    assert "SIGKILL while it read dataset[9]. If nobody" in str(
        _process.exit_error(member)
    )
    assert member.free_slot() is None
    del tasks[4]
    assert member.free_slot() == 0


def test_a_copy_of_the_process_leaves_the_workers_alone(pipe):
    member = WorkerProcess(0, Ended(0), pipe[0], [])
    _process.end_processes([member], os.getpid() + 1, threading.RLock())
    assert not pipe[0].closed


def test_a_lock_that_a_stuck_thread_has_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_process, "GRACE", 0.01)
    lock, has, may_end = threading.RLock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            has.set()
            may_end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    has.wait()
    _process.end_processes([], os.getpid(), lock)
    assert not lock.acquire(blocking=False)
    may_end.set()
    thread.join()
