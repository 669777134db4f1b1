import functools
import pickle
import threading
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tntjax as tnt
from tests.iterator import parallel_cases as cases
from tntjax.iterator._chunk import check_arrays

BACKENDS = ("thread", "process")
NUMBERS = (1, 2, 3)


def slow_but(name, fast, values):
    """Parametrizes a test, of which the fast lane runs one row."""
    marks = {value: [pytest.mark.slow] * (value != fast) for value in values}
    return pytest.mark.parametrize(
        name, [pytest.param(value, marks=marks[value]) for value in values]
    )


each_backend = slow_but("backend", "thread", BACKENDS)
each_number = slow_but("num_workers", 2, NUMBERS)


def assert_equal(actual, expected):
    """The same samples: structure, dtypes and values."""
    actual, expected = list(actual), list(expected)
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            assert type(a) is type(b)
            assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
            np.testing.assert_array_equal(a, b)


@functools.cache
def over_compositions(backend, num_workers):
    """Kept over tests, as processes take a second to start."""
    return tnt.ParallelDatasetIterator(cases.by_epoch, num_workers, backend=backend)


def like(iterator, **changes):
    """An iterator that differs in what the consumer does, with the same workers."""
    other = tnt.ParallelDatasetIterator(
        iterator.closure, iterator.num_workers, **changes
    )
    object.__setattr__(other, "_workers", iterator._workers)
    return other


@pytest.fixture(scope="module", autouse=True)
def close_at_the_end():
    yield
    for backend in BACKENDS:
        for num_workers in NUMBERS:
            over_compositions(backend, num_workers).close()
    over_compositions.cache_clear()


@each_backend
@each_number
@pytest.mark.parametrize("epoch", range(len(cases.COMPOSITIONS)))
def test_a_run_is_exact_from_any_place(backend, num_workers, epoch):
    expected = list(tnt.DatasetIterator(cases.by_epoch).run(epoch))
    iterator = over_compositions(backend, num_workers)
    assert_equal(iterator.run(epoch), expected)
    for start in (1, len(expected) // 2, len(expected), len(expected) + 3):
        assert_equal(iterator.run(epoch, start), expected[start:])


perms = st.sampled_from([None, lambda i: 22 - i, lambda i: i // 2, lambda i: 5])
filters = st.sampled_from(
    [None, lambda s: s["target"] % 3 == 1, lambda s: False, lambda s: True]
)
transforms = st.sampled_from([None, lambda s: {**s, "target": s["target"] + 1}])


@pytest.mark.slow
@given(st.sampled_from(BACKENDS), st.integers(0, 25), perms, filters, transforms)
def test_what_the_consumer_does_is_exact_too(backend, start, perm, filter, transform):
    changes = {"perm": perm, "filter": filter, "transform": transform}
    expected = list(tnt.DatasetIterator(cases.table(), **changes))
    ours = like(over_compositions(backend, 3), **changes)
    assert_equal(ours.run(1, start), expected[start:])


@pytest.mark.slow
@given(st.lists(st.integers(0, 12), min_size=23, max_size=23), st.booleans())
def test_what_is_kept_of_a_sample_does_not_change(until, whole):
    """Each sample, or a part of it, is kept while so many more arrive."""
    kept = {}
    for number, sample in enumerate(over_compositions("process", 2).run(0)):
        kept[number] = sample if whole else sample["input"][3:5]
        del sample
        for old in [old for old in kept if old + until[old] <= number]:
            expected = cases.load(old)
            assert_equal(
                [kept.pop(old)], [expected if whole else expected["input"][3:5]]
            )


@pytest.mark.slow
def test_what_is_kept_of_a_sample_outlives_the_workers():
    with tnt.ParallelDatasetIterator(cases.loaded(), 2, backend="process") as iterator:
        samples = list(iterator)
    assert_equal(samples, cases.loaded())
    samples[0]["input"] += 1  # is the consumer's to write
    assert_equal(samples[1:], list(cases.loaded())[1:])


@each_backend
def test_a_new_order_each_epoch(backend):
    iterator = over_compositions(backend, 2)
    for epoch in (1000, 1001, 1002, 1000):
        assert_equal(iterator.run(epoch), cases.shuffled(epoch))


@each_backend
def test_several_runs_at_once(backend):
    iterator = over_compositions(backend, 2)
    first, second = iterator.run(0), iterator.run(1)
    pairs = list(zip(first, second, strict=True))
    assert_equal([a for a, _ in pairs], cases.loaded())
    assert_equal([b for _, b in pairs], cases.table())


@each_backend
def test_runs_in_several_threads(backend):
    iterator = over_compositions(backend, 2)
    results = {}

    def read(epoch):
        results[epoch] = list(iterator.run(epoch))

    threads = [threading.Thread(target=read, args=(epoch,)) for epoch in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for epoch in range(5):
        assert_equal(results[epoch], tnt.DatasetIterator(cases.by_epoch).run(epoch))


@each_backend
def test_a_run_that_was_left_leaks_nothing_into_the_next(backend):
    iterator = over_compositions(backend, 3)
    for taken in range(4):
        run = iterator.run(0)
        for _ in range(taken):
            next(run)
        run.close()
        assert_equal(iterator.run(1), cases.table())


@each_backend
def test_without_order_every_sample_comes_once(backend):
    iterator = like(over_compositions(backend, 3), ordered=False)
    assert sorted(s["target"] for s in iterator.run(0)) == list(range(23))
    assert sorted(s["target"] for s in iterator.run(0, 20)) == [20, 21, 22]


def test_without_order_samples_come_as_they_are_done():
    release = threading.Event()

    def load(number):
        assert number or release.wait()
        return number

    dataset = tnt.ListDataset(range(6), load)
    iterator = tnt.ParallelDatasetIterator(dataset, 2, ordered=False)
    run = iterator.run()
    assert next(run) == 1
    assert next(run) == 2
    release.set()
    assert sorted(run) == [0, 3, 4, 5]


@pytest.mark.parametrize("num_workers", [1, 3])
@pytest.mark.parametrize("ordered", [True, False])
def test_reads_no_further_ahead_than_it_says(num_workers, ordered):
    started = []

    def load(number):
        started.append(number)
        return number

    dataset = tnt.ListDataset(range(100), load)
    iterator = tnt.ParallelDatasetIterator(dataset, num_workers, ordered=ordered)
    for taken, _ in enumerate(iterator, start=1):
        time.sleep(0.001)
        assert len(started) - taken <= 2 * num_workers
    assert len(started) == 100


def test_a_slow_sample_does_not_make_the_others_pile_up():
    release, started = threading.Event(), []

    def load(number):
        started.append(number)
        assert number or release.wait()
        return number

    iterator = tnt.ParallelDatasetIterator(tnt.ListDataset(range(100), load), 4)
    threading.Timer(0.2, release.set).start()
    assert next(iter(iterator)) == 0
    assert len(started) <= 9


@each_backend
def test_every_worker_works(backend):
    at_work = set(over_compositions(backend, 2).run(cases.PROCESSES))
    assert len(at_work) == (2 if backend == "process" else 1)


def test_threads_read_at_once():
    meet = threading.Barrier(4)

    def load(number):
        meet.wait()
        return number

    iterator = tnt.ParallelDatasetIterator(tnt.ListDataset(range(8), load), 4)
    assert list(iterator) == list(range(8))


@each_backend
def test_exec_calls_a_method_in_each_worker(backend, monkeypatch):
    monkeypatch.setattr(cases, "INITIALISED", None)
    iterator = tnt.ParallelDatasetIterator(
        cases.remembering, 3, init=cases.initialise, backend=backend
    )
    with iterator:
        assert iterator.exec("__len__") == [4, 4, 4]
        assert iterator.exec("scale", 10, "more") == [(0, 1), (1, 1), (2, 1)]
        assert [index for _, _, index in iterator] == [0, 10, 20, 30]
        worker, initialised, index = iterator.exec_single("__getitem__", 2)
        assert (worker, index) == (0, 20)
        if backend == "process":
            assert initialised == worker  # init ran there, and here it did not
            assert cases.INITIALISED is None
        with pytest.raises(ValueError, match="no such thing"):
            iterator.exec("fail")
        with pytest.raises(AttributeError, match="resample"):
            iterator.exec_single("resample")
        assert iterator.exec("__len__") == [4, 4, 4]


@each_backend
def test_exec_asks_the_dataset_of_an_epoch(backend):
    iterator = over_compositions(backend, 2)
    assert iterator.exec("__len__", epoch=3) == [7, 7]
    assert iterator.exec_single("__len__", epoch=4) == 6


def test_exec_single_asks_a_worker_that_is_idle():
    begun, go = threading.Event(), threading.Event()

    class Named(list):
        def name(self):
            return "done"

        def __getitem__(self, index):
            begun.set()
            return go.wait(600)

    iterator = tnt.ParallelDatasetIterator(lambda: Named(range(1)), 2)
    run = iterator.run()
    reader = threading.Thread(target=next, args=(run,), daemon=True)
    reader.start()
    assert begun.wait(600)
    answers = []
    ask = threading.Thread(
        target=lambda: answers.append(iterator.exec_single("name")), daemon=True
    )
    ask.start()
    ask.join(60)
    assert answers == ["done"]
    go.set()
    reader.join()


@each_backend
def test_exec_within_a_run(backend):
    iterator = over_compositions(backend, 2)
    run = iterator.run(0)
    first = next(run)
    large = np.zeros(10**6)  # more than a pipe holds
    with pytest.raises(TypeError):
        iterator.exec("__len__", large, epoch=0)
    assert_equal([first, *run], cases.loaded())


def test_init_and_closure_are_called_once_a_worker():
    calls = []
    iterator = tnt.ParallelDatasetIterator(
        lambda worker: (
            calls.append(("closure", worker)) or cases.sleeping(worker, 0.01)
        ),
        3,
        init=lambda worker: calls.append(("init", worker)),
    )
    for _ in range(2):
        for index, _ in zip(range(12), iterator, strict=False):
            assert index < 12
    assert sorted(calls) == [(w, n) for w in ("closure", "init") for n in range(3)]
    for n in range(3):
        assert calls.index(("init", n)) < calls.index(("closure", n))
    iterator.close()
    next(iter(iterator))
    assert len(calls) > 6


def perm_that_raises(error, position):
    if position == 5:
        raise error(5)
    return position


@each_backend
@pytest.mark.parametrize(
    ("error", "expected"), [(KeyError, KeyError), (StopIteration, RuntimeError)]
)
def test_a_perm_that_raises_does_so_in_its_turn(backend, error, expected):
    perm = functools.partial(perm_that_raises, error)
    with tnt.ParallelDatasetIterator(
        range(9), 2, perm=perm, backend=backend
    ) as parallel:
        for iterator in (tnt.DatasetIterator(range(9), perm), parallel):
            got = []
            with pytest.raises(expected):
                got.extend(iterator)
            assert got == [0, 1, 2, 3, 4]


def test_a_perm_that_raises_without_order():
    perm = functools.partial(perm_that_raises, KeyError)
    with pytest.raises(KeyError):
        list(tnt.ParallelDatasetIterator(range(9), 2, perm=perm, ordered=False))


@each_backend
def test_a_worker_does_one_thing_at_a_time(backend):
    # A class is a function that makes a dataset.
    with tnt.ParallelDatasetIterator(cases.OneAtATime, 2, backend=backend) as iterator:
        for one, other in zip(iterator.run(), iterator.run(), strict=True):
            assert one == other
            iterator.exec("__getitem__", 0)
        assert iterator.exec("__getattribute__", "clashes") == [0, 0]


def test_a_class_makes_the_dataset_of_an_epoch():
    assert list(tnt.DatasetIterator(cases.OneAtATime).run(epoch=3)) == list(range(20))


def test_a_dataset_does_for_a_closure():
    assert list(tnt.ParallelDatasetIterator([1, 2, 3], 2)) == [1, 2, 3]


def criterion(output, target):
    return (output - target) ** 2


def network(params, input):
    return (input * params["weight"]).mean((1, 2)) + params["bias"]


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("steps_per_call", [1, 4, "auto"])
def test_an_engine_trains_as_with_dataset_iterator(backend, steps_per_call):
    def prepare(state):
        sample = {**state.sample, "input": state.sample["input"] / 60_000}
        return state.replace(sample=sample)

    def measure(state):
        return state.replace(meters={"loss": state.meters["loss"].add(state.loss)})

    def train(iterator):
        meters = {"loss": tnt.AverageValueMeter()}
        hooks = tnt.Hooks(
            on_start=lambda state: state.replace(meters=meters, epoch=cases.SHUFFLED),
            on_sample=prepare,
            on_forward_criterion=measure,
        )
        params = {"weight": jnp.zeros((30, 40)), "bias": jnp.zeros(())}
        state = tnt.SGDEngine(hooks).train(
            network=network,
            criterion=criterion,
            iterator=iterator,
            params=params,
            lr=0.01,
            max_epoch=cases.SHUFFLED + 3,
            steps_per_call=steps_per_call,
        )
        return state.params, state.meters, state.t, state.samples

    ours = train(over_compositions(backend, 2))
    theirs = train(tnt.DatasetIterator(cases.by_epoch))
    assert theirs[3] == 3 * 53
    assert (theirs[0]["weight"] != 0).all()
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_chunks_have_the_samples_of_a_run():
    iterator = over_compositions("thread", 2)
    chunks = list(iterator.chunks(4, 1, lambda position, size: 2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    samples = [c.read(jax.tree.map(lambda x: x[0], c.xs)) for c in chunks]
    assert_equal(samples, list(tnt.BatchDataset(cases.table(), 4))[1::2])


@each_backend
def test_chunks_that_were_left_end_their_run(backend):
    iterator = over_compositions(backend, 2)
    chunks = iterator.chunks(1, 0, lambda position, size: 2)
    next(chunks)
    chunks.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("tntjax")]
    assert_equal(iterator.run(1), cases.table())


def test_an_engine_cannot_take_strings():
    iterator = over_compositions("thread", 2)
    with pytest.raises(TypeError, match="name"):
        list(iterator.chunks(0, 0, lambda position, size: 4))


def test_an_engine_cannot_take_arrays_of_others():
    column = SimpleNamespace(shape=(2,), dtype="torch.float32")
    with pytest.raises(TypeError, match=r"takes arrays of numbers, but sample\['x'\]"):
        check_arrays({"x": column})


def test_an_engine_is_given_native_bytes():
    samples = {"y": np.zeros(2), "x": np.arange(2, dtype=">f4")}
    checked = check_arrays(samples)
    assert checked["x"].dtype == np.float32 and checked["x"].dtype.isnative
    assert checked["x"].tolist() == [0, 1] and checked["y"] is samples["y"]


def test_an_engine_cannot_take_a_field_that_becomes_strings():
    samples = [{"x": value} for value in [1.0] * 4 + ["s"] * 4]
    iterator = tnt.DatasetIterator(tnt.BatchDataset(samples, 2))
    chunks = iterator.chunks(0, 0, lambda position, size, length: 2)
    assert next(chunks).samples["x"].shape == (2, 2)
    with pytest.raises(TypeError, match=r"takes arrays of numbers, but sample\['x'\]"):
        next(chunks)


def test_a_run_gives_back_what_is_handed_in():
    marker = object()
    iterator = tnt.ParallelDatasetIterator([marker, None], 2)
    assert list(iterator) == [marker, None]


@each_backend
def test_it_is_a_value(backend):
    iterator = tnt.ParallelDatasetIterator(
        cases.by_epoch, 2, perm=abs, filter=bool, backend=backend
    )
    assert repr(iterator) == (
        "ParallelDatasetIterator(closure=by_epoch, num_workers=2, init=None, perm=abs,"
        f" filter=bool, transform=None, ordered=True, backend={backend!r}, prefetch=2,"
        " timeout=None)"
    )
    assert isinstance(iterator, tnt._types.SampleIterator)
    assert jax.tree.leaves(iterator) == []
    again = pickle.loads(pickle.dumps(iterator))
    assert repr(again) == repr(iterator)
    assert again._workers is not iterator._workers
    mapped = jax.tree.map(lambda leaf: leaf, iterator)
    assert mapped._workers is iterator._workers


@each_backend
def test_closing_ends_a_run_and_allows_the_next(backend):
    iterator = tnt.ParallelDatasetIterator(cases.sleeping, 2, backend=backend)
    iterator.close()
    run = iterator.run()
    assert next(run) == 0
    iterator.close()
    if backend == "process":
        with pytest.raises(RuntimeError, match="closed before it was done"):
            list(run)
    run.close()
    assert next(iter(iterator)) == 0
    iterator.close()
    iterator.close()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"closure": None}, TypeError, "function epoch -> dataset.*NoneType"),
        (
            {"num_workers": 0},
            ValueError,
            "num_workers .*DatasetIterator.* at least 1, got 0",
        ),
        ({"num_workers": 1.5}, TypeError, "num_workers .*must be an integer, got 1.5"),
        (
            {"num_workers": True},
            TypeError,
            "num_workers .*must be an integer, got True",
        ),
        ({"prefetch": 2**31}, ValueError, r"prefetch must be less than 2\*\*31, got"),
        ({"backend": "fork"}, ValueError, "'thread' or 'process', got 'fork'"),
    ],
)
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        tnt.ParallelDatasetIterator(
            **{"closure": cases.gone, "num_workers": 2} | arguments
        )


@pytest.mark.parametrize("position", [(-1, 0), (0, -1)])
def test_a_wrong_position_is_an_error_at_once(position):
    with pytest.raises(ValueError, match="epoch >= 0 and start >= 0"):
        tnt.ParallelDatasetIterator(cases.gone, 1).run(*position)


def test_num_workers_of_numpy():
    assert list(tnt.ParallelDatasetIterator([7], np.int32(1))) == [7]
