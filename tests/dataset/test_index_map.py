import pickle
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import tntjax
from tntjax.dataset import (
    BatchDataset,
    ConcatDataset,
    ListDataset,
    ResampleDataset,
    ShuffleDataset,
    SplitDataset,
    TableDataset,
    TransformDataset,
    take,
)
from tntjax.dataset._index_map import IndexMap
from tntjax.iterator import DatasetIterator

PACKAGE = str(Path(tntjax.__file__).parent)


def double(rows):
    return rows * 2


def stack(policy="include-last"):
    table = TableDataset(np.arange(100))
    doubled = TransformDataset(table, double, batched=True)
    half = SplitDataset(doubled, {"a": 0.5, "b": 0.5}, "b")
    return BatchDataset(ShuffleDataset(half, seed=0), 8, policy=policy)


def calls_of(function):
    """The package's own functions that are called, one by one."""
    called = []

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            called.append(frame.f_code.co_name)

    function()  # what is found out once
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return called


@pytest.mark.parametrize(
    "read",
    [
        lambda dataset: dataset.take(np.array([2, 0])),
        lambda dataset: take(dataset, np.array([2, 0])),
        lambda dataset: dataset[1],
    ],
    ids=["take", "free take", "get"],
)
def test_four_wrappers_take_ten_calls(read):
    dataset = stack()
    calls = calls_of(lambda: read(dataset))
    assert len(calls) <= 10, calls
    assert calls.count("check_indices") <= 1


def test_reading_leaves_nothing_in_a_pickle():
    dataset = stack()
    before = pickle.dumps(dataset)
    dataset.take([1]), dataset[0], dataset.spec
    assert len(pickle.dumps(dataset)) <= len(before) + 50
    again = pickle.loads(pickle.dumps(dataset))
    assert again[2].tolist() == dataset[2].tolist()


class Strict(TableDataset):
    """A dataset of a user's, which sees each index that comes to it."""

    def take(self, indices):
        assert indices.dtype.kind == "i"
        assert ((0 <= indices) & (indices < len(self))).all()
        return super().take(indices) + 1000

    def __getitem__(self, index):
        assert 0 <= index < len(self)
        return super().__getitem__(index) + 1000


WRAPPERS = {
    "shuffle": lambda d: ShuffleDataset(d, 0),
    "split": lambda d: SplitDataset(d, {"a": 0.5, "b": 0.5}, "b"),
    "resample": lambda d: ResampleDataset(d, lambda data, index: len(data) - 1 - index),
    "transform": lambda d: TransformDataset(d, np.negative, batched=True),
    "each": lambda d: TransformDataset(d, np.negative),
    "concat": lambda d: ConcatDataset([d, d]),
    "batch": lambda d: BatchDataset(d, 5),
    "merge": lambda d: BatchDataset(d, 5, merge=np.stack),
}


@pytest.mark.parametrize("make", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_what_a_user_derives_is_read_through_its_own_methods(make):
    values = np.arange(13)
    plain, derived = make(TableDataset(values + 1000)), make(Strict(values))
    for read in (
        lambda dataset: dataset.take(np.arange(len(dataset) - 1)),
        lambda dataset: np.stack([dataset[i] for i in range(len(dataset) - 1)]),
        lambda dataset: dataset.__getitems__([0, 1])[1],
    ):
        assert read(derived).tolist() == read(plain).tolist()


@pytest.mark.parametrize("make", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_wrappers_hand_down_indices_in_range_only(make, monkeypatch):
    def check(self, rows):
        assert (np.asarray(rows) >= 0).all() and (np.asarray(rows) < len(self)).all()
        return take_rows(self, rows)

    take_rows = TableDataset._take
    monkeypatch.setattr(TableDataset, "_take", check)
    dataset = make(make(TableDataset(np.arange(26))))
    for index in range(len(dataset)):
        dataset[index], dataset.take([index]), dataset.__getitems__([index])
        with pytest.raises(IndexError):
            dataset.take([index, len(dataset)])


def test_the_family_defines_no_public_reading_of_its_own():
    kinds = [kind for kind in vars(tntjax.dataset).values() if isinstance(kind, type)]
    family = [kind for kind in kinds if issubclass(kind, IndexMap)]
    assert len(family) == 14
    for kind in family:
        assert not {"take", "__getitem__", "__iter__"} & set(vars(kind)), kind


def test_a_dataset_of_a_list_is_read_one_by_one():
    dataset = ShuffleDataset(ListDataset(range(300), str), 0)
    assert sorted(map(int, dataset.__getitems__(range(300)))) == list(range(300))
    assert jax.device_put(dataset)[3] == dataset[3]


def test_a_derived_class_that_is_no_pytree_is_read_on_the_host():
    class Doubled(TransformDataset):
        """JAX knows nothing of it: a child of a pytree is not one by itself."""

    rows = jax.device_put(TableDataset(np.arange(6, dtype=np.int32)))
    own = Doubled(rows, lambda x: 2 * x)
    for dataset in (own, ShuffleDataset(own, seed=0), ConcatDataset([own, own])):
        want = [int(dataset[index]) for index in range(len(dataset))]
        assert sorted(want)[-1] == 10
        chunks = DatasetIterator(dataset).chunks(0, 0, lambda *_, **__: 4)
        samples = [row for chunk in chunks for row in chunk.samples.tolist()]
        assert samples == want
        assert not jax.device_put(BatchDataset(dataset, 2)).on_device


def test_what_a_derived_class_reads_is_read_many_at_once_as_well():
    class Doubled(TableDataset):
        def __getitem__(self, index):
            return super().__getitem__(index) * 2

    for rows in (np.arange(6), jax.numpy.arange(6)):
        dataset = Doubled(rows)
        assert np.asarray(tntjax.take(dataset, [1, 2])).tolist() == [2, 4]
        batches = DatasetIterator(tntjax.shuffle_and_batch(dataset, 6))
        chunk = next(batches.chunks(0, 0, lambda position, size, length=None: 1))
        assert sorted(np.asarray(chunk.samples)[0].tolist()) == [0, 2, 4, 6, 8, 10]
