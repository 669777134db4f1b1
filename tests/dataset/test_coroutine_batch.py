import asyncio
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

import jax
import numpy as np
import pytest

from tntjax.dataset import BatchDataset, CoroutineBatchDataset, ListDataset
from tntjax.iterator import DatasetIterator


def promises(length, make):
    return ListDataset(range(length), make)


def batches(dataset):
    return [batch.tolist() for batch in dataset]


def called(index):
    return lambda: index * 10


async def awaited(index):
    await asyncio.sleep(0)
    return index * 10


def future(index):
    result = Future()

    def answer():
        if result.set_running_or_notify_cancel():
            result.set_result(index * 10)

    threading.Timer(0.001, answer).start()
    return result


class Answer:
    """An awaitable that is no coroutine."""

    def __init__(self, index):
        self.index = index

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return self.index * 10


def nested(index):
    return lambda: awaited(index)


async def nested_deeper(index):
    later = Future()
    later.set_result(nested(index))
    return lambda: later


def mixed(index):
    return [called, awaited, future, Answer, nested, lambda i: i * 10][index % 6](index)


KINDS = [called, awaited, future, Answer, nested, nested_deeper, mixed]


@pytest.mark.parametrize("make", KINDS)
def test_promises_are_resolved(make):
    dataset = CoroutineBatchDataset(promises(7, make), 6)
    assert batches(dataset) == [[0, 10, 20, 30, 40, 50], [60]]


@pytest.mark.parametrize("make", KINDS)
def test_promises_are_resolved_inside_a_running_loop(make):
    async def cell():
        await asyncio.sleep(0)
        first = batches(CoroutineBatchDataset(promises(7, make), 6))
        await asyncio.sleep(0)
        return first

    assert asyncio.run(cell()) == [[0, 10, 20, 30, 40, 50], [60]]


@pytest.mark.parametrize(
    "options", [{}, {"policy": "pad-last"}, {"perm": lambda i: 6 - i}]
)
def test_is_a_batch_dataset(options):
    def sample(index):
        return {"x": np.full(2, index)}

    samples = ListDataset(range(7), sample)
    later = ListDataset(range(7), lambda index: lambda: sample(index))
    expected, dataset = (
        BatchDataset(samples, 3, **options),
        CoroutineBatchDataset(later, 3, **options),
    )
    for batch, wanted in zip(dataset, expected, strict=True):
        jax.tree.map(np.testing.assert_array_equal, batch, wanted)
    assert dataset.sample_bytes == expected.sample_bytes


def test_the_filter_sees_samples_and_only_those_there_are():
    seen = []
    dataset = CoroutineBatchDataset(
        promises(5, awaited), 3, filter=lambda x: seen.append(x) or x != 10, merge=sum
    )
    assert list(dataset) == [20, 70]
    assert seen == [0, 10, 20, 30, 40]


def test_all_reads_of_a_batch_are_issued_before_one_is_awaited():
    events = []

    async def fetch(index):
        events.append(f"await {index}")
        return index

    def issue(index):
        events.append(f"issue {index}")
        return fetch(index)

    assert CoroutineBatchDataset(promises(4, issue), 3)[0].tolist() == [0, 1, 2]
    assert events[:3] == ["issue 0", "issue 1", "issue 2"]
    assert sorted(events[3:]) == ["await 0", "await 1", "await 2"]


def test_a_store_can_answer_the_indices_of_a_batch_together():
    asked, answers = [], []

    class Store:
        def __init__(self):
            self.lock, self.noted = threading.Lock(), []

        def __len__(self):
            return 6

        def __getitem__(self, index):
            self.noted.append(index)
            return lambda: self.answer(index)

        def answer(self, index):
            with self.lock:
                if self.noted:
                    asked.append(self.noted)
                    answers.extend(self.noted)
                    self.noted = []
            return index

    assert batches(CoroutineBatchDataset(Store(), 3)) == [[0, 1, 2], [3, 4, 5]]
    assert asked == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("kind", ["thread", "coroutine"])
@pytest.mark.parametrize("concurrency", [1, 3, 32])
def test_so_many_run_at_a_time_and_no_more(kind, concurrency):
    lock, full, running, most = threading.Lock(), threading.Event(), 0, 0

    def enter(change):
        nonlocal running, most
        with lock:
            running += change
            most = max(most, running)
        if most == min(concurrency, 8):
            full.set()

    def work(index):
        enter(1)
        full.wait(600)
        enter(-1)
        return index

    async def work_async(index):
        enter(1)
        while not full.is_set():
            await asyncio.sleep(0.001)
        enter(-1)
        return index

    make = work_async if kind == "coroutine" else lambda index: lambda: work(index)
    dataset = CoroutineBatchDataset(promises(8, make), 8, concurrency=concurrency)
    assert dataset[0].tolist() == list(range(8))
    assert most == min(concurrency, 8)


def test_take_reads_a_batch_at_a_time():
    dataset = CoroutineBatchDataset(promises(6, awaited), 2)
    assert dataset.take([[2, 0]]).tolist() == [[[40, 50], [0, 10]]]


def test_an_iterator_stacks_batches_for_an_engine():
    dataset = CoroutineBatchDataset(promises(7, awaited), 2)
    chunks = DatasetIterator(dataset).chunks(0, 0, lambda position, size, length: 2)
    assert [chunk.xs.tolist() for chunk in chunks] == [
        [[0, 10], [20, 30]],
        [[40, 50]],
        [[60]],
    ]


def test_threads_may_read_batches_at_the_same_time():
    dataset = CoroutineBatchDataset(promises(40, mixed), 4)
    with ThreadPoolExecutor(4) as threads:
        read = threads.map(lambda index: dataset[index].tolist(), range(10))
    assert list(read) == [[i * 10 for i in range(n, n + 4)] for n in range(0, 40, 4)]


def test_the_loop_of_the_thread_stays_set():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        CoroutineBatchDataset(promises(2, awaited), 2)[0]
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def fails_at(bad, make):
    async def broken():
        raise OSError("gone")

    def call():
        raise OSError("gone")

    def issue(index):
        if index != bad:
            return make(index)
        failed = Future()
        failed.set_exception(OSError("gone"))
        return {called: call, future: failed}.get(make) or broken()

    return promises(8, issue)


@pytest.mark.parametrize("make", [called, awaited, future])
def test_an_error_names_the_index(make):
    dataset = CoroutineBatchDataset(fails_at(5, make), 4)
    assert dataset[0].tolist() == [0, 10, 20, 30]
    with pytest.raises(OSError, match="gone\n.*Batch.* while reading sample 5"):
        dataset[1]


def test_an_error_while_asking_names_the_index_and_abandons_the_rest():
    issued = [Future(), awaited(1)]
    dataset = CoroutineBatchDataset(promises(4, lambda index: issued[index]), 4)
    with pytest.raises(IndexError, match=r"out of range\n(.*\n)?.*reading sample 2"):
        dataset[0]
    assert issued[0].cancelled()


def test_an_error_cancels_what_waits_and_lets_nothing_run_on():
    log, pending = [], Future()

    async def slow():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def fail():
        await asyncio.sleep(0.01)
        raise OSError("gone")

    async def never():
        log.append("ran")

    made = [slow(), fail(), pending, never(), never()]
    dataset = CoroutineBatchDataset(promises(5, made.__getitem__), 5, concurrency=2)
    with pytest.raises(OSError, match="reading sample 1"):
        dataset[0]
    assert log == ["cancelled"]
    assert pending.cancelled()


def test_an_error_keeps_functions_from_being_called():
    calls = []

    def call(index):
        calls.append(index)
        if index == 0:
            raise OSError("gone")

    later = promises(50, lambda index: lambda: call(index))
    with pytest.raises(OSError, match="reading sample 0"):
        CoroutineBatchDataset(later, 50, concurrency=1)[0]
    assert calls == [0]


def test_a_cancelled_read_is_an_error():
    cancelled = Future()
    cancelled.cancel()

    async def gives_up():
        raise asyncio.CancelledError

    for promise in (cancelled, gives_up()):
        dataset = CoroutineBatchDataset([promise], 1)
        with pytest.raises(CancelledError, match="reading sample 0"):
            dataset[0]


def test_a_future_may_end_after_its_batch_was_given_up(caplog):
    late = Future()
    late.set_running_or_notify_cancel()  # too late to cancel it

    async def fail():
        raise OSError("gone")

    dataset = CoroutineBatchDataset([late, fail()], 2)
    with pytest.raises(OSError, match="gone"):
        dataset[0]
    late.set_result(1)
    assert not caplog.records


@pytest.mark.parametrize("make", [lambda: next(iter([])), lambda: future_of_stop()])
def test_a_stop_iteration_does_not_hang(make):
    with pytest.raises(RuntimeError, match="StopIteration"):
        CoroutineBatchDataset([make], 1)[0]


def future_of_stop():
    stopped = Future()
    stopped.set_exception(StopIteration())
    return stopped


def test_a_task_of_another_loop_is_refused():
    async def cell():
        tasks = [asyncio.ensure_future(awaited(index)) for index in range(2)]
        dataset = CoroutineBatchDataset(promises(2, tasks.__getitem__), 2)
        with pytest.raises(TypeError, match=r"Sample 0 is an asyncio Task(.*\n)*Wrong"):
            dataset[0]
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False]

    asyncio.run(cell())


def test_what_is_no_promise_needs_no_loop(monkeypatch):
    monkeypatch.setattr(asyncio, "new_event_loop", None)
    assert batches(CoroutineBatchDataset(range(3), 2)) == [[0, 1], [2]]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"concurrency": 0}, ValueError, "concurrency must be at least 1, got 0"),
        ({"concurrency": 1.5}, TypeError, "concurrency must be an integer, got 1.5"),
        ({"concurrency": True}, TypeError, "concurrency must be an integer, got True"),
        ({"batch_size": 0}, ValueError, "CoroutineBatchDataset: batch_size must be"),
        ({"policy": "no"}, ValueError, "CoroutineBatchDataset needs one of"),
    ],
    ids=str,
)
def test_refuses(options, error, message):
    with pytest.raises(error, match=message):
        CoroutineBatchDataset([1, 2, 3], **{"batch_size": 2, **options})
