import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import BatchDataset, SplitDataset, TableDataset, take


def sizes(length, partitions):
    split = SplitDataset(range(length), partitions)
    return {name: len(split.select(name)) for name in partitions}


def test_partitions_follow_each_other_in_the_order_of_their_names():
    split = SplitDataset(range(10), {"train": 0.5, "test": 0.3, "other": 0.1})
    assert list(split.select("other")) == [0]
    assert list(split.select("test")) == [1, 2, 3]
    assert list(split.select("train")) == [4, 5, 6, 7, 8]


def test_a_later_partition_starts_after_the_floored_sizes_of_the_earlier():
    split = SplitDataset(range(7), {"a": 0.5, "b": 0.5})
    assert list(split.select("a")) == [0, 1, 2]
    assert list(split.select("b")) == [3, 4, 5]


@pytest.mark.parametrize(
    ("length", "partitions", "expected"),
    [
        (100, {"a": 0.29, "b": 0.71}, {"a": 29, "b": 71}),
        (10, {"a": 0.7, "b": 0.2, "c": 0.1}, {"a": 7, "b": 2, "c": 1}),
        (10**9, {"a": 0.29, "b": 0.71}, {"a": 290_000_000, "b": 710_000_000}),
        (49, {"a": 1 / 49, "b": 48 / 49}, {"a": 1, "b": 48}),
        (10, {"a": 0.1 + 0.2, "b": 0.7}, {"a": 3, "b": 7}),
        (10, {"a": 0.55, "b": 0.4499}, {"a": 5, "b": 4}),
        (10, {"a": 0.2999999, "b": 0.7}, {"a": 2, "b": 7}),
        (10, {"a": 0.5, "b": 0.1}, {"a": 5, "b": 1}),
        (10, {"a": 1, "b": 0}, {"a": 10, "b": 0}),
        (1, {"a": 1, "b": 0}, {"a": 1, "b": 0}),
        (10, {"a": 1, "b": 1}, {"a": 1, "b": 1}),
        (10, {"a": 6, "b": 4}, {"a": 6, "b": 4}),
        (10, {"a": 6.0, "b": np.int64(3)}, {"a": 6, "b": 3}),
        (10, {"a": 0, "b": 7}, {"a": 0, "b": 7}),
        (0, {"a": 0.5, "b": 0.5}, {"a": 0, "b": 0}),
    ],
    ids=str,
)
def test_weights_and_sizes(length, partitions, expected):
    assert sizes(length, partitions) == expected


@pytest.mark.parametrize("length", [1, 3, 100, 12345, 10**6, 10**9])
def test_weights_that_sum_to_one_never_ask_for_too_many(length):
    for parts in (3, 6, 7, 10, 49, 1000):
        weights = {str(name): 1 / parts for name in range(parts)}
        assert SplitDataset(range(length), weights).ranges[-1][2] <= length


@pytest.mark.parametrize("percent", range(1, 100))
def test_percent_of_a_hundred_are_exact(percent):
    weights = {"a": percent / 100, "b": 1 - percent / 100}
    assert sizes(100, weights) == {"a": percent, "b": 100 - percent}


def test_select_gives_a_new_dataset():
    split = SplitDataset(range(4), {"a": 1, "b": 3}, initial_partition="a")
    other = split.select("b")
    assert (list(split), list(other)) == ([0], [1, 2, 3])
    assert list(other.select("a")) == [0]


def test_an_index_beyond_the_partition_is_an_error():
    split = SplitDataset(range(4), {"a": 1, "b": 2}, "a")
    for read in (lambda: split[1], lambda: split.take([0, 1])):
        with pytest.raises(IndexError, match=r"has 1 samples.*got index 1"):
            read()


@pytest.mark.parametrize(
    "read", [len, list, lambda s: s[0], lambda s: s.take([0]), lambda s: s.select("c")]
)
def test_nothing_is_read_before_a_partition_is_selected(read):
    split = SplitDataset(range(4), {"b": 1, "a": 2})
    with pytest.raises((ValueError, KeyError)) as raised:
        read(split)
    text = str(raised.value)
    assert "split.select('a')" in text or "no partition 'c', only a, b" in text


def test_of_an_unknown_partition_the_names_are_given():
    with pytest.raises(KeyError, match="no partition 'val', only test, train"):
        SplitDataset(range(4), {"train": 0.5, "test": 0.5}, "val")


def test_on_a_device_an_index_stays_inside_its_partition():
    split = SplitDataset(TableDataset(np.arange(10)), {"a": 3, "b": 4}, "b")
    resident = jax.device_put(split)
    read = jax.jit(take)
    assert read(resident, np.array([0, 3])).tolist() == [3, 6]
    assert read(resident, np.array([-1, 4])).tolist() == [3, 6]
    assert int(resident[jnp.int32(1)]) == 4


def test_on_a_device_a_partition_may_be_empty():
    split = SplitDataset(TableDataset(np.arange(10)), {"a": 0, "b": 4}, "a")
    assert take(jax.device_put(split), np.zeros(0, int)).shape == (0,)


@pytest.mark.parametrize(
    ("name", "expected"), [("a", 3), ("b", 1), ("c", 0)], ids=["all", "some", "none"]
)
def test_how_many_samples_are_known_to_be_alike(name, expected):
    batches = BatchDataset(np.arange(9), 2)  # the fifth is shorter
    split = SplitDataset(
        BatchDataset(batches, 1, policy="skip-last"), {"a": 3, "b": 1, "c": 1}
    )
    assert split.select(name).uniform_length == expected


def test_survives_pickle_with_nothing_selected():
    split = pickle.loads(pickle.dumps(SplitDataset(range(4), {"a": 1, "b": 3})))
    assert list(split.select("b")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("partitions", "error", "message"),
    [
        ({"a": 1.0}, ValueError, "at least two partitions, got .*'a': 1.0"),
        ({}, ValueError, "at least two partitions"),
        ([0.5, 0.5], TypeError, r"partitions \{name: number\}, got \[0.5, 0.5\]"),
        ({"a": -0.1, "b": 0.5}, ValueError, "sizes >= 0, got -0.1 for 'a'"),
        ({"a": 5, "b": -1}, ValueError, "sizes >= 0, got -1 for 'b'"),
        ({"a": float("nan"), "b": 1}, ValueError, "sizes >= 0, got nan"),
        ({"a": float("inf"), "b": 1}, ValueError, "sizes >= 0, got inf"),
        ({"a": 0, "b": 0.0}, ValueError, "a partition that is not 0; all are"),
        ({"a": 0.8, "b": 0.3}, ValueError, "at most 1, or whole.* 0.8, 0.3.* 1.1"),
        ({"a": 2.5, "b": 3}, ValueError, "at most 1, or whole sizes; got 2.5, 3"),
        ({"a": 3, "b": 2}, ValueError, "partitions of 5 samples .* there are 4"),
        ({1: 0.5, 2: 0.5}, TypeError, "names that are strings, got 1"),
        ({"a": "1", "b": 1}, TypeError, "a number for each partition, got '1'"),
        ({"a": True, "b": 1}, TypeError, "got True for 'a'"),
        ({"a": None, "b": 1}, TypeError, "got None for 'a'"),
    ],
    ids=str,
)
def test_refuses(partitions, error, message):
    with pytest.raises(error, match=message):
        SplitDataset(range(4), partitions)


def test_jax_indices_that_are_not_traced_may_lead_far():
    split = SplitDataset(range(10**10), {"a": 0.5, "b": 0.5}, "b")
    assert split[jnp.int32(7)] == 5 * 10**9 + 7
    assert take(split, jnp.array([7])).tolist() == [5 * 10**9 + 7]


@pytest.mark.parametrize(("dataset", "came"), [(5, "5"), (list, "list")], ids=str)
def test_refuses_what_is_no_dataset(dataset, came):
    with pytest.raises(TypeError, match=f"SplitDataset needs a dataset .*, got {came}"):
        SplitDataset(dataset, {"a": 1, "b": 1})
