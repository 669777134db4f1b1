"""How far workers read ahead, and how long their consumer waits for a read."""

import threading
import time
from functools import partial
from typing import Any

import numpy as np
import pytest

import tntjax as tnt
from tests.iterator import parallel_cases as cases
from tntjax.iterator.workers import _threads
from tntjax.iterator.workers._worker import Read, Worker, seconds_left

BACKENDS = ("thread", "process")


def late(iterator, what, start=0):
    """The error for a read; a slow machine may be late for something else before."""
    while True:
        with pytest.raises(TimeoutError) as caught:
            list(iterator.run(0, start))
        if what in str(caught.value):
            return str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_read_that_takes_too_long_is_an_error_that_names_it(backend, tmp_path):
    path = tmp_path / "go"
    dataset = cases.waiting(str(path))
    iterator = tnt.ParallelDatasetIterator(dataset, 2, backend=backend, timeout=0.2)
    with iterator:
        assert "reading dataset[2] for more than" in late(iterator, "dataset[2]", 2)
        path.touch()
        again = tnt.ParallelDatasetIterator(
            dataset, 2, backend=backend, timeout=600, prefetch=3
        )
        with again:
            assert list(again) == [0, 1, 2, 3, 4]


def test_after_a_timeout_a_run_has_workers_that_are_not_stuck():
    go, stuck = threading.Event(), []

    def load(number):
        if number == 0 and not go.is_set():
            stuck.append(threading.current_thread())
            go.wait()
        return number

    dataset = tnt.ListDataset(range(3), load)
    iterator = tnt.ParallelDatasetIterator(dataset, 1, timeout=0.2)
    assert late(iterator, "dataset[0]") == (
        "ParallelDatasetIterator: worker 0 has been reading dataset[0] for more than"
        " timeout=0.2 seconds."
    )
    iterator._workers._timeout = None  # or a slow machine might end it again
    assert list(iterator.run(0, 1)) == [1, 2]
    assert iterator.exec_single("__len__") == 3
    go.set()
    for thread in stuck:
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_making_a_dataset_may_take_too_long(backend, tmp_path):
    closure = partial(cases.made_late, str(tmp_path / "go"))
    iterator = tnt.ParallelDatasetIterator(closure, 1, backend=backend, timeout=0.2)
    with iterator, pytest.raises(TimeoutError, match=r"reading len\(dataset\)"):
        next(iterator.run())
    (tmp_path / "go").touch()
    for thread in threading.enumerate():
        if thread.name.startswith("tntjax"):
            thread.join()


def test_a_run_that_is_left_waits_no_longer_than_a_read_may_take():
    go = threading.Event()
    worker = Worker(0, tnt.ListDataset([1], lambda item: go.wait()), None)
    run = _threads.ThreadRun([worker], 0, 0.1)
    run.submit(0, 0)
    while worker.reads is None:
        pass
    run.close()
    assert worker.is_stuck
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("tntjax"):
            thread.join()


def test_a_run_may_end_in_a_thread_that_reads_for_another():
    seen = []

    def load(number):
        seen.append(number)
        if number == 9:  # this thread has the worker, which the other run waits for
            assert next(left) == 1
            while not runs[0]._asked.empty():
                time.sleep(0.001)
            left.close()  # as collecting garbage does
        return number

    iterator = tnt.ParallelDatasetIterator(tnt.ListDataset(range(10), load), 1)
    runs, start = [], iterator._workers.start
    iterator._workers.start = lambda epoch: runs.append(start(epoch)) or runs[-1]
    left: Any = iterator.run()
    assert next(left) == 0
    while len(seen) < 3:
        time.sleep(0.001)
    rest = []
    thread = threading.Thread(
        target=lambda: rest.extend(iterator.run(0, 9)), daemon=True
    )
    thread.start()
    thread.join(60)
    assert rest == [9]


def test_how_long_a_read_may_still_take(monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 105.0)
    assert seconds_left(0, None, 9.0) == 9.0
    assert seconds_left(0, Read("dataset[1]", 100.0), 9.0) == 4.0
    with pytest.raises(TimeoutError, match=r"worker 2 .*dataset\[1\].*timeout=5 sec"):
        seconds_left(2, Read("dataset[1]", 100.0), 5.0)


@pytest.mark.parametrize("prefetch", [1, 2, 5])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_as_many_samples_are_read_ahead_as_were_asked_for(prefetch, num_workers):
    loaded = threading.Semaphore(0)

    def load(number):
        loaded.release()
        return number

    dataset = tnt.ListDataset(range(50), load)
    iterator = tnt.ParallelDatasetIterator(dataset, num_workers, prefetch=prefetch)
    run = iterator.run()
    assert next(run) == 0
    for _ in range(1 + prefetch * num_workers):
        assert loaded.acquire(timeout=600)
    run.close()  # waits for what is being read
    assert not loaded.acquire(blocking=False)


@pytest.mark.slow
@pytest.mark.parametrize("prefetch", [1, 7])
def test_processes_read_so_far_ahead(prefetch, tmp_path):
    log = tmp_path / "log"
    log.touch()
    closure = partial(cases.logging, str(log))
    arguments = {"backend": "process", "prefetch": prefetch}
    with tnt.ParallelDatasetIterator(closure, 2, **arguments) as iterator:
        run = iterator.run()
        assert next(run) == 0
        while log.stat().st_size < 1 + 2 * prefetch:
            pass
        assert log.stat().st_size == 1 + 2 * prefetch
        assert list(run) == list(range(1, 60))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"prefetch": 0}, ValueError, "prefetch must be at least 1, got 0"),
        ({"prefetch": 2.5}, TypeError, "prefetch must be an integer, got 2.5"),
        (
            {"timeout": 0},
            ValueError,
            "None to wait for ever, must be > 0 and <= .*, got 0",
        ),
        ({"timeout": float("nan")}, ValueError, "got nan"),
        ({"timeout": float("inf")}, ValueError, "got inf"),
        (
            {"timeout": "1"},
            TypeError,
            "timeout, seconds or None .*must be a number, got '1'",
        ),
        (
            {"timeout": True},
            TypeError,
            "timeout, seconds or None .*must be a number, got True",
        ),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        tnt.ParallelDatasetIterator([1], 1, **arguments)


def test_numbers_of_numpy():
    arguments = {"prefetch": np.int8(3), "timeout": np.float32(600)}
    assert list(tnt.ParallelDatasetIterator([7], 1, **arguments)) == [7]
