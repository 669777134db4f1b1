"""Our datasets are datasets of other libraries as they are, without an adapter."""

import numpy as np
import pytest

import tntjax as tnt
from tests.interop.sources import LENGTH, grain, sample, torch


def listed():
    return tnt.ListDataset(range(LENGTH), sample)


def table():
    return tnt.TableDataset(tnt.take(listed(), np.arange(LENGTH)))


OURS = {
    "ListDataset": listed,
    "TableDataset": table,
    "ShuffleDataset": lambda: tnt.ShuffleDataset(table(), seed=1),
    "TransformDataset": lambda: tnt.TransformDataset(listed(), {"input": np.negative}),
    "ConcatDataset": lambda: tnt.ConcatDataset([table(), listed()]),
    "SplitDataset": lambda: tnt.SplitDataset(listed(), {"a": 4, "b": 7}, "b"),
    "ResampleDataset": lambda: tnt.ResampleDataset(table(), size=5),
}
every_dataset = pytest.mark.parametrize("make", OURS.values(), ids=OURS.keys())


def assert_equal(actual, expected):
    actual, expected = list(actual), list(expected)
    assert len(actual) == len(expected)
    for theirs, ours in zip(actual, expected, strict=True):
        assert theirs.keys() == ours.keys()
        for name in ours:
            np.testing.assert_array_equal(np.asarray(theirs[name]), ours[name])


@every_dataset
def test_a_data_loader_makes_batches(make):
    loader = torch.utils.data.DataLoader(make(), batch_size=4)
    batches = list(loader)
    assert all(isinstance(batch["input"], torch.Tensor) for batch in batches)
    assert batches[0]["input"].dtype == torch.float32
    assert_equal(batches, tnt.BatchDataset(make(), 4))


def test_a_data_loader_takes_batches():
    batches = tnt.BatchDataset(table(), 4, policy="pad-last")
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    assert_equal(loader, batches)


def test_a_data_loader_shuffles():
    generator = torch.Generator().manual_seed(0)
    loader = torch.utils.data.DataLoader(
        table(), batch_size=None, shuffle=True, generator=generator
    )
    seen = [int(one["target"]) for one in loader]
    assert seen != sorted(seen)
    assert sorted(seen) == list(range(LENGTH))


@pytest.mark.slow
def test_a_data_loader_with_processes():
    batches = tnt.BatchDataset(tnt.ShuffleDataset(listed(), seed=3), 4)
    loader = torch.utils.data.DataLoader(
        batches, batch_size=None, num_workers=1, multiprocessing_context="spawn"
    )
    assert_equal(loader, batches)


def test_parts_and_sums_of_torch():
    first, second = torch.utils.data.random_split(
        listed(), [4, 7], generator=torch.Generator().manual_seed(0)
    )
    both = torch.utils.data.ConcatDataset([first, second])
    assert sorted(both[i]["target"] for i in range(11)) == list(range(11))


@every_dataset
def test_a_source_of_grain(make):
    dataset = grain.MapDataset.source(make())
    assert_equal(dataset, make())
    assert_equal(dataset.batch(4), tnt.BatchDataset(make(), 4))


@every_dataset
def test_a_source_of_grain_read_by_its_threads(make):
    options = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
    dataset = grain.MapDataset.source(make()).to_iter_dataset(options)
    assert_equal(dataset, make())


def test_a_shuffle_of_grain_over_ours():
    dataset = grain.MapDataset.source(table()).shuffle(seed=1)
    seen = [int(one["target"]) for one in dataset]
    assert seen != sorted(seen)
    assert sorted(seen) == list(range(LENGTH))


def test_a_data_loader_of_grain():
    sampler = grain.samplers.IndexSampler(LENGTH, num_epochs=1, shuffle=False)
    loader = grain.DataLoader(data_source=listed(), sampler=sampler, worker_count=0)
    assert_equal(loader, listed())
