"""Datasets of other libraries are datasets here as they are, without an adapter."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.interop import sources

every_source = pytest.mark.parametrize(
    "make", sources.SOURCES, ids=lambda make: make.__name__
)
EXPECTED = [sources.sample(index) for index in range(sources.LENGTH)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interop")
    sources.write_records(folder)
    return folder


def assert_equal(actual, expected):
    actual, expected = list(actual), list(expected)
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(np.asarray(ours[name]), theirs[name])


def negative(sample):
    return {**sample, "input": -sample["input"]}


@every_source
def test_is_a_dataset(make, folder):
    dataset = make(folder)
    assert isinstance(dataset, tnt._types.Dataset)
    assert len(dataset) == sources.LENGTH
    assert_equal((dataset[index] for index in range(len(dataset))), EXPECTED)


@every_source
def test_take(make, folder):
    taken = tnt.take(make(folder), [[3, 0], [10, 3]])
    rows = np.array([[3, 0], [10, 3]])
    np.testing.assert_array_equal(taken["target"], rows)
    assert taken["input"].dtype == np.float32
    np.testing.assert_array_equal(taken["input"], rows[..., None] + np.arange(4))


@every_source
def test_batches_are_numpy_arrays(make, folder):
    dataset = tnt.BatchDataset(make(folder), 4)
    assert_equal(dataset, tnt.BatchDataset(EXPECTED, 4))
    for batch in dataset:
        assert [type(field) for field in batch.values()] == [np.ndarray] * 2
        assert batch["input"].dtype == np.float32


@every_source
def test_other_datasets_around_it(make, folder):
    def wrap(dataset):
        parts = tnt.SplitDataset(dataset, {"first": 7, "second": 4})
        again = tnt.ConcatDataset([parts.select("second"), parts.select("first")])
        shuffled = tnt.ShuffleDataset(tnt.TransformDataset(again, negative), seed=1)
        return tnt.ResampleDataset(shuffled, lambda dataset, index: index // 2)

    assert_equal(wrap(make(folder)), wrap(EXPECTED))


@every_source
@pytest.mark.parametrize("start", [0, 4])
def test_an_iterator(make, folder, start):
    iterator = tnt.DatasetIterator(make(folder), perm=lambda position: 10 - position)
    assert_equal(iterator.run(start=start), EXPECTED[::-1][start:])


def network(params, input):
    return input @ params


def criterion(output, target):
    return (output - target) ** 2


def trained(iterator):
    state = tnt.SGDEngine(tnt.Hooks()).train(
        network=network,
        criterion=criterion,
        iterator=iterator,
        params=jnp.zeros(4),
        lr=0.001,
        max_epoch=2,
    )
    return state.params


@every_source
def test_an_engine(make, folder):
    ours = trained(tnt.DatasetIterator(tnt.BatchDataset(make(folder), 4)))
    theirs = trained(tnt.DatasetIterator(tnt.BatchDataset(EXPECTED, 4)))
    assert (theirs != 0).all()
    np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def workers(folder):
    """Iterators whose epoch n has batches of source n, as processes start slowly."""
    closure = functools.partial(sources.closure, str(folder))
    iterators = {
        backend: tnt.ParallelDatasetIterator(closure, 2, backend=backend)
        for backend in ("thread", "process")
    }
    yield iterators
    for iterator in iterators.values():
        iterator.close()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["thread", "process"])
@pytest.mark.parametrize("number", range(len(sources.SOURCES)))
def test_workers(number, backend, folder, workers):
    expected = tnt.BatchDataset(tnt.ShuffleDataset(EXPECTED, number), 4)
    iterator = workers[backend]
    assert_equal(iterator.run(number), expected)
    assert_equal(iterator.run(number, 1), list(expected)[1:])


@pytest.mark.slow
@pytest.mark.parametrize("make", [sources.of_torch, sources.of_hugging_face])
def test_a_dataset_of_theirs_is_sent_to_a_process(make, folder):
    with tnt.ParallelDatasetIterator(make(folder), 1, backend="process") as iterator:
        assert_equal(iterator, EXPECTED)


def test_a_transform_that_writes_to_a_tensor_leaves_the_one_below():
    torch = pytest.importorskip("torch")
    samples = torch.utils.data.TensorDataset(torch.arange(6.0).reshape(2, 3))
    dataset = tnt.TransformDataset(samples, lambda sample: sample[0].sub_(1))
    assert [row.tolist() for row in dataset] == [[-1, 0, 1], [2, 3, 4]]
    assert dataset[0].tolist() == [-1, 0, 1]


def test_a_transform_copies_a_row_of_a_tensor_and_not_all_rows():
    torch = pytest.importorskip("torch")
    samples = torch.utils.data.TensorDataset(torch.zeros(1000, 3))
    (row,) = tnt.TransformDataset(samples, lambda sample: sample)[0]
    assert row.untyped_storage().nbytes() == 12
