"""A stack of datasets is one gather: nothing in Python happens sample by sample."""

import numpy as np
import pytest

from tntjax.dataset import (
    BatchDataset,
    ConcatDataset,
    ResampleDataset,
    ShuffleDataset,
    SplitDataset,
    TransformDataset,
    weighted_sampler,
)
from tntjax.iterator import DatasetIterator

LENGTH = 6000


class Counted:
    """Counts the ways it is read."""

    uniform_length = LENGTH
    sample_bytes = 8

    def __init__(self):
        self.rows, self.gets, self.takes = np.arange(LENGTH), 0, 0

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        self.gets += 1
        return {"x": self.rows[index]}

    def take(self, indices):
        self.takes += 1
        return {"x": self.rows[indices]}


class Calls:
    """A function of many samples or indices that counts its calls."""

    def __init__(self, function):
        self.function, self.number = function, 0

    def __call__(self, *args):
        self.number += 1
        return self.function(*args)


@pytest.fixture
def nested():
    """Five deep and more: split, resample, shuffle, transform, batch."""
    leaf = Counted()
    add = Calls(lambda sample: {"x": sample["x"] + 1})
    flip = Calls(lambda dataset, index: len(dataset) - 1 - index)
    part = SplitDataset(leaf, {"held out": 0.2, "train": 0.8}, "train")
    picked = ResampleDataset(part, flip, batched=True)
    shuffled = ShuffleDataset(picked, seed=0)
    moved = TransformDataset(shuffled, add, batched=True)
    return BatchDataset(moved, 100, policy="pad-last"), leaf, (add, flip)


def test_many_batches_are_one_take(nested):
    dataset, leaf, functions = nested
    batches = dataset.take(np.arange(len(dataset)))
    assert sorted(batches["x"].ravel().tolist()) == list(range(1201, 6001))
    assert (leaf.takes, leaf.gets) == (1, 0)
    assert [function.number for function in functions] == [1, 1]


def test_a_batch_is_one_take(nested):
    dataset, leaf, functions = nested
    expected = dataset.take(np.arange(len(dataset)))["x"][7]
    assert dataset[7]["x"].tolist() == expected.tolist()
    assert (leaf.takes, leaf.gets) == (2, 0)
    assert [function.number for function in functions] == [2, 2]


def test_a_chunk_of_an_engine_is_one_take(nested):
    dataset, leaf, functions = nested
    chunks = list(
        DatasetIterator(dataset).chunks(0, 0, lambda position, size, length: 16)
    )
    assert [len(chunk) for chunk in chunks] == [16, 16, 16]
    assert (leaf.takes, leaf.gets) == (3 + 1, 0)  # one tells how large a sample is
    assert [function.number for function in functions] == [3 + 1, 3 + 1]


def test_members_and_weights_add_a_take_a_member():
    leaves = [Counted(), Counted(), Counted()]
    joined = ConcatDataset(leaves)
    drawn = ResampleDataset(joined, weighted_sampler(np.ones(len(joined)), seed=0))
    dataset = BatchDataset(ShuffleDataset(drawn, seed=1), 50)
    dataset.take(np.arange(len(dataset)))
    assert [(leaf.takes, leaf.gets) for leaf in leaves] == [(1, 0)] * 3
