"""Tables that lie at many places cost what they hold, and not 2**n."""

import numpy as np
import pytest

from tests.dataset._archives import write
from tntjax.dataset import (
    BatchDataset,
    IndexedDataset,
    IndexedDatasetReader,
    IndexedDatasetWriter,
    TransformDataset,
    take,
)
from tntjax.dataset._protocol import bytes_of, find_spec
from tntjax.dataset.indexed._torch_write import encode
from tntjax.iterator import DatasetIterator, ParallelDatasetIterator
from tntjax.transform import make_batch
from tntjax.transform._writable import copy_writable
from tntjax.utils import foreach, md5


def lists(value, depth=60):
    for _ in range(depth):
        value = [value, value]
    return value


def dicts(value, depth=60):
    for _ in range(depth):
        value = {"a": value, "b": value}
    return value


def tuples(value, depth=60):
    for _ in range(depth):
        value = (value, [value])
    return value


def innermost(value):
    while isinstance(value, list | tuple | dict):
        value = value["b"] if isinstance(value, dict) else value[-1]
    return value


every_table = pytest.mark.parametrize("nested", [lists, dicts, tuples])


@every_table
def test_a_copy_that_may_be_written_to(nested):
    array = np.arange(2)
    copied = innermost(copy_writable(nested(array)))
    copied += 1
    assert (copied.tolist(), array.tolist()) == ([1, 2], [0, 1])


@every_table
def test_a_transform_of_items_of_an_archive(tmp_path, nested):
    reader = IndexedDatasetReader(*write(tmp_path, "table", [[nested(1.0, 45)]] * 3))
    dataset = TransformDataset(reader, len)
    assert (dataset[0], take(dataset, [0, 1]).tolist()) == (1, [1, 1])


@every_table
def test_what_an_iterator_transforms(nested):
    samples = [nested(1)] * 3
    for kind in (DatasetIterator, lambda d, **to: ParallelDatasetIterator(d, 1, **to)):
        assert list(kind(samples, transform=innermost)) == [1, 1, 1]


@pytest.mark.parametrize(
    ("nested", "error", "message"),
    [
        (lists, TypeError, "takes arrays of numbers"),
        (dicts, ValueError, "1152921504606"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: BatchDataset(d, 2)])
def test_chunks_for_an_engine(nested, error, message, wrap):
    dataset = wrap([{"x": 1, "tree": nested(1)}] * 3)
    for kind in (DatasetIterator, lambda d: ParallelDatasetIterator(d, 1)):
        with pytest.raises(error, match=message):
            next(kind(dataset).chunks(0, 0, lambda position, size, length=None: 2))


@every_table
def test_the_bytes_of_a_sample(nested):
    assert bytes_of(nested(1, 20)) == find_spec([nested(1.5, 20)]).bytes() == 8 * 2**20
    assert bytes_of(nested(np.zeros(3, np.uint8), 60)) == 3 * 2**60


@every_table
def test_a_sum_is_that_of_a_table_without_sharing(nested):
    def apart(value):
        if isinstance(value, dict):
            return {key: apart(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(apart, value))
        return value

    assert md5(nested(1, 6)) == md5(apart(nested(1, 6))) != md5(nested(2, 6))
    assert md5(nested(1)) == md5(nested(1)) != md5(nested(2))


def test_sums_of_deep_tables_differ():
    deep = [[[]], [[()]], [[[]], []], [[[], []]], [[[[]]]], [[[0]]], [[[1]]], [[{}]]]
    deep += [[["table:" + "0" * 16]], [[[0], 1]], [[[0, 1]]], [[[0]], 1], [[[0], [1]]]]
    assert len(set(map(md5, deep))) == len(deep)


def test_lists_stay_lists_in_a_batch(tmp_path):
    samples = [{"x": 1, "tree": lists(1.0)}] * 3
    batch = make_batch()(samples)
    assert batch["x"].tolist() == [1] * 3
    assert len(batch["tree"]) == 3


def test_a_batch_of_too_many_fields_is_an_error():
    nested = dicts(1)
    for read in (make_batch(), lambda samples: take(samples, [0, 1])):
        with pytest.raises(
            ValueError, match="batch of samples with 1152921504606846976"
        ):
            read([nested] * 2)


def test_fields_of_a_sample_share_nothing_that_a_transform_writes_to():
    tokens = [1, 2, 3]

    def shift(sample):
        sample["target"].pop(0)
        sample["input"].pop()
        return sample

    dataset = TransformDataset([{"input": tokens, "target": tokens}], shift)
    assert dataset[0] == {"input": [1, 2], "target": [2, 3]}
    assert tokens == [1, 2, 3]


def test_arrays_of_a_sample_share_nothing_that_a_transform_writes_to():
    image = np.zeros(2)

    def add_noise(sample):
        for part in (sample["input"], sample["both"][0]):
            part += 1
        return sample

    sample = {"input": image, "target": image, "both": [image, image]}
    noisy = TransformDataset([sample], add_noise)[0]
    assert noisy["input"].tolist() == noisy["both"][0].tolist() == [1, 1]
    assert noisy["target"].tolist() == noisy["both"][1].tolist() == [0, 0]
    assert image.tolist() == [0, 0]


def test_foreach_walks_a_shared_table_once():
    calls = []
    found = foreach(dicts(1), lambda n: calls.append(n) or n + 1, recursive=True)
    assert calls == [1, 1]
    assert found["a"] is found["b"]


def repeated(count):
    """A table of about 200 bytes with an array of `count` times one number."""
    data = bytearray(encode({"x": np.ones(1, np.uint8)}))
    place = data.index(
        (1).to_bytes(8, "little") * 3
    )  # the shape, the stride, the offset
    data[place : place + 16] = count.to_bytes(8, "little") + bytes(8)
    return bytes(data)


@pytest.fixture
def small(tmp_path):
    """A thousand items of 200 bytes, each a megabyte if copied."""
    (tmp_path / "one").write_bytes(repeated(2**20))
    names = str(tmp_path / "x.idx"), str(tmp_path / "x.bin")
    with IndexedDatasetWriter(*names, "table") as writer:
        for _ in range(1000):
            writer.add_file(tmp_path / "one")
    return tmp_path


@pytest.mark.parametrize("standalone", [False, True])
def test_many_items_of_few_bytes_do_not_become_a_gigabyte(small, standalone):
    dataset = IndexedDataset(["x"], path=small, standalone=standalone)
    sample = dataset[0] if standalone else dataset[0]["x"]
    assert sample["x"].shape == (2**20,)
    batch = take(dataset, np.arange(60))
    assert (batch if standalone else batch["x"])["x"].shape == (60, 2**20)
    for read in (
        lambda: take(dataset, np.arange(1000)),
        lambda: BatchDataset(dataset, 1000)[0],
    ):
        with pytest.raises(ValueError, match="Tensors that share or repeat storages"):
            read()
