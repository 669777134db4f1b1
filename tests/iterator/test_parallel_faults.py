"""What goes wrong while workers read: errors say where, and nothing is left."""

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from multiprocessing import connection, resource_tracker, spawn
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.garbage import left_by
from tests.iterator import parallel_cases as cases
from tntjax.iterator.workers import _pool, _process
from tntjax.iterator.workers._process import LENT

BACKENDS = ("thread", "process")

descriptors = Path("/proc/self/fd")


def parallel(closure, num_workers=1, **arguments):
    return tnt.ParallelDatasetIterator(closure, num_workers, **arguments)


def until_the_error(iterator, error, text):
    """What came before an error that has the text in it or in its notes."""
    got = []
    with pytest.raises(error, match=text) as caught:
        got.extend(iterator)  # extends one by one
    return got, caught.value


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No thread, process or file beyond what was there before; memory is a file."""
    resource_tracker.ensure_running()
    gc.collect()
    before = left_over()
    yield
    gc.collect()
    assert left_over() == before


def left_over():
    files = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    children = multiprocessing.active_children()
    return files, children, threading.active_count()


# ---- a dataset that raises ----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_comes_in_its_turn_and_names_the_index(backend):
    with parallel(cases.failing, backend=backend) as iterator:
        got, error = until_the_error(iterator, ValueError, "bad file")
        assert got == [0, 1, 2, 3, 4, 5]
        assert "was reading dataset[6]" in error.__notes__[-1]
        got, error = until_the_error(iterator.run(0, 5), ValueError, r"dataset\[6\]")
        assert got == [5]
        assert list(iterator.run(0, 7)) == [7, 8, 9]
    if backend == "process":
        assert "__getitem__" in str(error.__cause__)  # where in the worker's code


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_holds_no_workers(backend):
    """Its traceback ends where it was raised: no process waits for a collection."""

    def read():
        iterator = parallel(tnt.ListDataset(["no number"], int), backend=backend)
        with suppress(ValueError):  # pytest.raises would make a cycle of its own
            list(iterator)
        with suppress(AttributeError):
            iterator.exec("no_such_method")

    assert left_by(read) == []


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_that_pickle_cannot_rebuild_keeps_its_class(backend):
    with parallel(cases.failing_oddly, backend=backend) as iterator:
        _, error = until_the_error(iterator, cases.OddError, r"dataset\[6\]")
    assert str(error) == "this and that"


@pytest.mark.slow
def test_an_error_of_a_class_that_only_the_worker_has():
    with parallel(cases.failing_locally, backend="process") as iterator:
        _, error = until_the_error(iterator, tnt.WorkerError, r"dataset\[6\]")
    assert str(error) == "LocalError: only here"
    assert "LocalError" in str(error.__cause__)


@pytest.mark.slow
def test_a_sample_that_cannot_be_sent():
    with parallel(cases.unpicklable, backend="process") as iterator:
        got, error = until_the_error(
            iterator, Exception, r"from dataset\[2\] cannot be"
        )
        assert got == [0, 1]
        assert list(iterator.run(0, 3)) == [3]
    with parallel(cases.unpicklable) as iterator:
        assert len(list(iterator)) == 4  # which threads needn't


@pytest.mark.slow
def test_what_a_method_is_given_must_be_picklable():
    with parallel(cases.loaded_closure, backend="process") as iterator:
        with pytest.raises(TypeError, match=r"sends arguments to its workers, but \("):
            iterator.exec("__getitem__", lambda: 0)
        assert iterator.exec("__len__") == [len(cases.loaded())]  # and workers go on


def test_a_worker_has_no_processes_of_its_own(monkeypatch):
    worker = SimpleNamespace(daemon=True)
    monkeypatch.setattr(multiprocessing, "current_process", lambda: worker)
    with pytest.raises(RuntimeError, match="Use backend='thread'"):
        next(parallel(cases.loaded_closure, backend="process").run())


@pytest.mark.slow
def test_a_result_that_cannot_be_sent():
    with parallel(cases.generating, backend="process") as iterator:
        with pytest.raises(TypeError) as caught:
            iterator.exec("generate")
    assert "from dataset.generate cannot be sent" in caught.value.__notes__[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "closure, error, text",
    [
        (cases.fails_to_start, FileNotFoundError, "no data here"),
        (cases.returns_nothing, TypeError, "a dataset .* got NoneType"),
        (cases.returns_nothing_later, TypeError, "a dataset .* got NoneType"),
    ],
)
def test_a_closure_that_fails(closure, error, text):
    got, caught = until_the_error(parallel(closure), error, text)
    assert got == []
    assert "was making its dataset, for epoch 0" in caught.__notes__[-1]


@pytest.mark.slow
def test_a_closure_that_fails_in_a_process():
    with parallel(cases.fails_to_start, backend="process") as iterator:
        for _ in range(2):
            _, error = until_the_error(iterator, FileNotFoundError, "no data here")
            assert "was making its dataset" in error.__notes__[-1]


def test_what_the_consumer_does_wrong():
    def fails(sample):
        raise KeyError("mine")

    for name in ("transform", "filter", "perm"):
        with parallel(cases.loaded(), **{name: fails}) as iterator:
            got, _ = until_the_error(iterator, KeyError, "mine")
            assert got == []


# ---- a worker that dies -------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_was_killed():
    with parallel(cases.dying, 2, backend="process") as iterator:
        until_the_error(
            iterator,
            RuntimeError,
            r"worker [01] was killed by SIGKILL while it read dataset\[6\]\..*memory",
        )
        assert list(iterator.run(0, 7)) == [7, 8, 9, 10, 11]  # with new processes


@pytest.mark.slow
def test_a_worker_that_exits():
    closure = partial(cases.dying, how=0)
    with parallel(closure, 2, backend="process", ordered=False) as iterator:
        until_the_error(iterator, RuntimeError, r"exit code 3 while it read dataset\[6")
        run = iterator.run(0, 7)
        next(run)
        (one, _) = iterator._workers._pool._workers
        one.process.kill()
        one.process.join()
        with pytest.raises(RuntimeError, match="worker 0 was killed by SIGKILL"):
            iterator._workers._pool._send(one, b"a request")
        with pytest.raises(RuntimeError, match="worker 0 was killed by SIGKILL"):
            list(run)
        with pytest.raises(RuntimeError, match="ended by WorkerError"):
            iterator._workers._pool.submit(None, (0, 0, 0))


@pytest.mark.slow
def test_a_worker_that_died_but_left_its_pipe_to_another(monkeypatch):
    with parallel(cases.failing, backend="process") as iterator:
        run = iterator.run()
        assert next(run) == 0
        (one,) = iterator._workers._pool._workers
        monkeypatch.setattr(one.process, "is_alive", lambda: False)
        monkeypatch.setattr(_process, "GRACE", 0.01)
        with pytest.raises(RuntimeError, match="worker 0 closed its pipe"):
            list(run)
        monkeypatch.undo()


# ---- leaving early ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_leaving_early(backend):
    iterator = parallel(cases.loaded_closure, 2, backend=backend)
    for sample in iterator:
        if sample["target"] == 3:
            break
    with pytest.raises(ZeroDivisionError):
        for sample in iterator:
            1 / sample["target"]
    run = iterator.run()
    next(run)
    del run, iterator  # without close


@pytest.mark.slow
def test_a_run_that_was_left_takes_nothing_from_another(tmp_path):
    path = tmp_path / "go"
    closure = partial(cases.holding, path)
    with parallel(closure, num_workers=3, backend="process") as iterator:
        left, other = iterator.run(), iterator.run()
        assert next(left).number == next(other).number == 0
        left.close()  # two samples of each run are under way
        path.touch()
        assert [sample.number for sample in other] == [1, 2]


@pytest.mark.slow
def test_what_comes_for_a_run_that_was_left_is_not_rebuilt(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "REBUILT", [])
    path = tmp_path / "go"
    with parallel(partial(cases.holding, path), backend="process") as iterator:
        run = iterator.run()
        assert next(run).number == 0  # the others are under way
        run.close()
        path.touch()
        assert [sample.number for sample in iterator] == [0, 1, 2]
    assert cases.REBUILT == [0, 0, 1, 2]


@pytest.mark.slow
def test_a_ctrl_c_in_the_consumer(monkeypatch):
    with parallel(cases.sleeping, backend="process") as iterator:
        run = iterator.run()
        assert next(run) == 0
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            for _ in run:
                pass
        timer.join()
        assert next(iter(iterator)) == 0  # the workers took no notice


@pytest.mark.slow
def test_what_breaks_off_between_two_messages_ends_the_workers(monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    others = set(multiprocessing.active_children())  # of other tests' iterators
    with parallel(cases.failing, backend="process") as iterator:
        run = iterator.run()
        assert next(run) == 0
        assert set(multiprocessing.active_children()) - others
        with monkeypatch.context() as patch:
            patch.setattr(_pool, "unpack", interrupted)
            with pytest.raises(KeyboardInterrupt):
                list(run)
        assert not set(multiprocessing.active_children()) - others
        assert next(iter(iterator)) == 0


@pytest.mark.slow
def test_replies_that_another_thread_takes_are_noticed(monkeypatch):
    with parallel(cases.sleeping, backend="process") as iterator:
        run = iterator.run()
        assert next(run) == 0
        pool, got = iterator._workers._pool, []

        def too_late(handles, timeout=None):
            time.sleep(0.3)  # until all that was asked for is there
            with pool._lock:
                pool._receive()
            return connection.wait(handles, timeout)

        thread = threading.Thread(target=lambda: got.append(next(run)), daemon=True)
        with monkeypatch.context() as patch:
            patch.setattr(_pool, "connection", SimpleNamespace(wait=too_late))
            thread.start()
            thread.join()
        assert got == [1]
        run.close()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_epoch():
    with parallel(cases.many, 2, backend="process") as iterator:
        for taken, sample in enumerate(iterator, start=1):
            assert len(sample) == 50_000 + taken - 1
            if taken % 50 == 0:
                time.sleep(0.05)
        members = iterator._workers._pool._workers
        blocks = [block for member in members for block in member.blocks]
        assert len(blocks) == 2 * (2 + LENT)
        for block in blocks:
            assert os.fstat(block._descriptor).st_size < 100_000


# ---- what cannot be sent ------------------------------------------------------------


def test_a_closure_that_cannot_be_pickled_is_named_before_anything_starts():
    def inner(worker):
        return [1]

    with pytest.raises(TypeError, match="sends closure to its workers, but .*inner"):
        parallel(inner, backend="process")
    with pytest.raises(TypeError, match="sends init to its workers, but .*lambda"):
        parallel(cases.failing, init=lambda worker: None, backend="process")
    dataset = tnt.ListDataset([1], lambda item: item)
    with pytest.raises(TypeError, match=r"ListDataset.*lambda"):
        parallel(dataset, backend="process")


def test_a_closure_of_a_session_is_named_before_anything_starts(monkeypatch):
    main = ModuleType("__main__")
    exec("def closure(worker): return [worker]", main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pytest.raises(TypeError, match="closure .*belongs to a session"):
        parallel(main.closure, backend="process")
    assert list(parallel(main.closure)) == [0]


@pytest.mark.slow
def test_a_copy_of_the_process_starts_workers_of_its_own():
    with parallel(cases.loaded_closure, backend="process") as iterator:
        expected = iterator.exec("__len__")
        pool = iterator._workers._pool
        pool._owner = -1  # as seen from a copy
        assert iterator.exec("__len__") == expected
        assert iterator._workers._pool is not pool
        pool.close()


def test_jax_arrays_stay_here():
    dataset = tnt.TableDataset({"x": jnp.zeros((2, 3))})
    with pytest.raises(TypeError, match=r"JAX array, float32\[2,3\].*device_get"):
        parallel(dataset, backend="process")


@pytest.mark.slow
def test_workers_start_no_jax():
    """Though BatchDataset and all of tntjax were at work there."""
    with parallel(cases.looks_at_jax, backend="process") as iterator:
        for started, platforms in iterator:
            assert not started.any()
            assert platforms == ["cpu"]


@pytest.mark.slow
def test_jax_arrays_arrive_as_numpy_arrays():
    with parallel(cases.makes_jax_arrays, backend="process") as iterator:
        for number, array in enumerate(iterator):
            assert type(array) is np.ndarray
            np.testing.assert_array_equal(array, np.full(2000, number))


@pytest.mark.slow
def test_starting_leaves_the_surroundings_as_they_were(monkeypatch):
    for platforms in (None, "cpu"):
        if platforms is None:
            monkeypatch.delenv("JAX_PLATFORMS", raising=False)
        else:
            monkeypatch.setenv("JAX_PLATFORMS", platforms)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        iterator = parallel([1], backend="process")
        assert list(iterator) == [1]
        assert os.environ.get("JAX_PLATFORMS") == platforms
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_a_process_that_cannot_be_started(monkeypatch):
    def fails(process):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(BaseProcess, "start", fails)
    with pytest.raises(BlockingIOError, match="no more processes"):
        list(parallel([1], backend="process"))
    monkeypatch.undo()
    monkeypatch.setattr(spawn, "_python_exe", b"no such program")
    with pytest.raises(RuntimeError, match="ended with exit code 255 before it was"):
        list(parallel([1], backend="process"))


def test_what_was_opened_for_a_process_that_cannot_be_started_is_closed():
    resource = pytest.importorskip("resource", reason="only POSIX limits files")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(map(int, os.listdir(descriptors))) + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        with pytest.raises(OSError, match="open files") as caught:
            list(parallel([1], backend="process", prefetch=most))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert f"takes {most + 3} files" in caught.value.__notes__[-1]


@pytest.mark.slow
def test_a_sample_that_cannot_be_rebuilt_here(monkeypatch):
    with parallel(cases.many, backend="process") as iterator:
        run = iterator.run()
        next(run)
        monkeypatch.setattr(_pool, "unpack", pickle.loads)
        _, error = until_the_error(run, TypeError, "came from worker 0, but could not")
        assert "dataset[" in error.__notes__[-1]


@pytest.mark.slow
def test_a_worker_that_is_long_at_it_is_ended():
    closure = partial(cases.sleeping, seconds=3600)
    with parallel(closure, backend="process") as iterator:
        assert iterator.exec("__len__") == [1000]
        run = iterator.run()
        timer = threading.Timer(0.3, iterator.close)
        timer.start()
        until_the_error(run, RuntimeError, "closed before it was done")
        timer.join()
