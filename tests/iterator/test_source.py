"""What a function is called with that makes the dataset of an iterator."""

import functools

import pytest

import tntjax as tnt
from tests.iterator import parallel_cases as cases
from tntjax.iterator._source import check_source, make_dataset, open_source
from tntjax.iterator.workers._worker import Worker

BACKENDS = ("thread", "process")


class OfWorker:
    """A class that makes the dataset of a worker."""

    def __init__(self, worker, factor=1):
        self.worker, self.factor = worker, factor

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.worker


class OfEpoch:
    def __call__(self, epoch):
        return [epoch]


class CalledList(list):
    def __call__(self):
        raise AssertionError("a dataset is read, though it can be called")


def of_path(path, epoch):
    return [path, epoch]


FUNCTIONS = {
    "epoch": (lambda epoch: [epoch], [7]),
    "any name": (lambda e: [e], [7]),
    "worker": (lambda worker: [worker], [3]),
    "both": (lambda epoch, worker: [epoch, worker], [7, 3]),
    "the other way round": (lambda worker, e: [e, worker], [7, 3]),
    "worker by name only": (lambda e, *, worker: [e, worker], [7, 3]),
    "epoch by name only": (lambda *, epoch: [epoch], [7]),
    "worker by place only": (lambda worker, /: [worker], [3]),
    "nothing": (lambda: [1], [1]),
    "a default beside": (lambda e, n=5: [e, n], [7, 5]),
    "an epoch with a default": (lambda epoch=4: [epoch], [7]),
    "a default beside worker": (lambda n=5, *, worker: [n, worker], [5, 3]),
    "any arguments": (lambda *args: [args], [(7,)]),
    "any arguments behind worker": (lambda worker, *args: [worker, args], [3, (7,)]),
    "any names": (lambda **names: [names], [{}]),
    "a class": (OfWorker, [3, 3]),
    "an object": (OfEpoch(), [7]),
    "partial": (functools.partial(of_path, "p"), ["p", 7]),
    "partial by name": (functools.partial(of_path, path="p"), ["p", 7]),
    "partial with an epoch": (functools.partial(of_path, "p", epoch=9), ["p", 9]),
    "partial with a worker": (functools.partial(OfWorker, worker=4), [4, 4]),
    "compiled": (range, [0, 1, 2, 3, 4, 5, 6]),
    "nested": (lambda worker: lambda e: [e, worker], [7, 3]),
    "nested in nothing": (lambda: lambda e: [e], [7]),
    "a dataset that can be called": (CalledList([1, 2]), [1, 2]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gets_what_its_parameters_say(name):
    function, expected = FUNCTIONS[name]
    check_source(function, "Iterator")
    dataset = make_dataset(open_source(function, worker=3), epoch=7, worker=3)
    assert [dataset[index] for index in range(len(dataset))] == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_iterators_read_the_same(name):
    function, _ = FUNCTIONS[name]
    expected = list(tnt.DatasetIterator(function).run(5))
    assert list(tnt.ParallelDatasetIterator(function, 1).run(5)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_epoch_is_the_same_in_both_iterators(backend):
    expected = list(tnt.DatasetIterator(cases.batches).run(1))
    assert sorted(expected) == list(range(1000))
    with tnt.ParallelDatasetIterator(cases.batches, 4, backend=backend) as iterator:
        assert list(iterator.run(1)) == expected
        assert list(iterator.run(2)) != expected
        assert list(iterator.run(1, 990)) == expected[990:]


def test_an_epoch_is_made_once_in_each_worker():
    made = []

    def batches(epoch):
        made.append(epoch)
        return range(40)

    with tnt.ParallelDatasetIterator(batches, 1) as iterator:
        for epoch in (0, 0, 1, 1, 1):
            list(iterator.run(epoch))
    assert made == [0, 1]


def test_batches_of_a_list_in_one_line():
    iterator = tnt.ParallelDatasetIterator(
        lambda epoch: tnt.BatchDataset(
            tnt.ShuffleDataset(tnt.ListDataset(range(64), float), seed=epoch), 32
        ),
        2,
    )
    assert [batch.shape for batch in iterator.run(3)] == [(32,), (32,)]
    first, again = ([b.tolist() for b in iterator.run(epoch)] for epoch in (3, 4))
    assert first != again


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda n=5: [n], r"cannot tell whether n is the epoch in <lambda>\(n=5\)"),
        (lambda a, b: [a], r"<lambda>\(a, b\) also needs b\. .*partial\(function, b="),
        (lambda *, a: [a], r"also needs a\."),
        (3, r"a dataset \(anything .* or a function epoch -> dataset, got int"),
    ],
)
@pytest.mark.parametrize(
    "make", [tnt.DatasetIterator, lambda f: tnt.ParallelDatasetIterator(f, 2)]
)
def test_a_function_that_cannot_be_called_is_named_at_once(make, function, text):
    with pytest.raises(TypeError, match=text.replace("<lambda>", ".*<lambda>")):
        make(function)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda epoch: None, r"must return a dataset .*, got NoneType of .*<lambda>"),
        (lambda: None, r"a dataset or a function epoch -> dataset .*, got NoneType"),
        (lambda n: lambda epoch: [1], r"got function of .* name it `worker`"),
    ],
)
def test_a_function_must_return_a_dataset(function, text):
    for iterator in (
        tnt.DatasetIterator(function),
        tnt.ParallelDatasetIterator(function, 2),
    ):
        with pytest.raises(TypeError, match=text):
            next(iterator.run())


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_workers_whose_datasets_differ_in_length_are_an_error(backend):
    iterator = tnt.ParallelDatasetIterator(
        cases.of_unequal_lengths, 2, backend=backend, ordered=False
    )
    with iterator, pytest.raises(ValueError, match=r"equal datasets in all workers"):
        for epoch in range(10_000):  # until both have read something
            list(iterator.run(epoch))


def test_the_error_for_unequal_datasets_names_the_lengths():
    worker = Worker(1, cases.of_unequal_lengths, None)
    with pytest.raises(ValueError, match=r"epoch 3 worker 1 has 6 samples .* worker 5"):
        worker.get(3, 0, 5)
    assert worker.get(3, 5, 6) == 5


def test_a_dataset_that_grows_is_read_as_it_is_when_a_run_begins():
    rows = [1, 2]
    iterator = tnt.ParallelDatasetIterator(rows, 2)
    assert list(iterator) == [1, 2]
    rows.append(3)
    assert list(iterator) == [1, 2, 3]
