import math
import pickle
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import (
    BatchDataset,
    ResampleDataset,
    SplitDataset,
    TableDataset,
    take,
)

SINGLE, HALF = np.float32, np.float16


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
        (49, {"a": HALF(1 / 49), "b": HALF(0.5)}, {"a": 1, "b": 24}),
        (1001, {"a": HALF(0.6), "b": HALF(0.4)}, {"a": 600, "b": 400}),
        (10, {"a": np.longdouble(0.6), "b": np.float64(0.4)}, {"a": 6, "b": 4}),
        (9, {"a": Fraction(1, 3), "b": Fraction(2, 3)}, {"a": 3, "b": 6}),
        (10, {"a": SINGLE(6), "b": SINGLE(4)}, {"a": 6, "b": 4}),
    ],
    ids=str,
)
def test_weights_and_sizes(length, partitions, expected):
    assert sizes(length, partitions) == expected


@pytest.mark.parametrize(
    ("length", "weights", "expected"),
    [
        (10, [0.6, 0.3, 0.1], [6, 3, 1]),
        (10, [0.7, 0.2, 0.1], [7, 2, 1]),
        (10**9, [0.7, 0.3], [700_000_000, 300_000_000]),
        (49, [1 / 49, 48 / 49], [1, 48]),
        (3, [1 / 3, 1 / 3, 1 / 3], [1, 1, 1]),
    ],
    ids=str,
)
def test_weights_of_float32_mean_what_they_print_as(length, weights, expected):
    partitions = {str(name): SINGLE(weight) for name, weight in enumerate(weights)}
    assert list(sizes(length, partitions).values()) == expected


@pytest.mark.parametrize("length", [1, 3, 100, 12345, 10**6, 10**9])
def test_weights_that_sum_to_one_never_ask_for_too_many(length):
    for parts in (3, 6, 7, 10, 49, 1000):
        weights = {str(name): 1 / parts for name in range(parts)}
        assert SplitDataset(range(length), weights).ranges[-1][2] <= length


@pytest.mark.parametrize(
    ("length", "weights", "last"),
    [
        (3 * 10**12, [0.5, 0.5 + 9e-13], 15 * 10**11),
        (10**9, [SINGLE(1 / 3)] * 3, 333_333_320),
        (2**63 - 1, [0.5, 0.5], 2**62 - 1),
        (2**63 - 1, [0, 1], 2**63 - 1),
    ],
    ids=str,
)
def test_weights_a_little_over_one_take_no_more_than_there_is(length, weights, last):
    partitions = {str(name): weight for name, weight in enumerate(weights)}
    _, start, stop = SplitDataset(range(length), partitions).ranges[-1]
    assert (stop - start, stop) == (last, length)


def test_weights_may_exceed_one_by_rounding():
    weights = {"a": 0.1 * 3, "b": 0.1 * 6, "c": 0.1}
    assert math.fsum(weights.values()) > 1
    assert sizes(10, weights) == {"a": 3, "b": 6, "c": 1}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parts", [2, 3, 5, 10, 50])
def test_weights_that_were_divided_by_their_sum_are_weights(dtype, parts):
    for seed in range(50):
        weights = np.random.default_rng(seed).random(parts).astype(dtype)
        names = map(str, range(parts))
        partitions = dict(zip(names, weights / weights.sum(), strict=True))
        assert SplitDataset(range(1000), partitions).ranges[-1][2] <= 1000


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


@pytest.mark.parametrize(
    ("number", "expected"), [(0.3, [0, 1, 2]), (4, [0, 1, 2, 3]), (10, list(range(10)))]
)
def test_one_part_may_leave_the_rest_out(number, expected):
    assert list(SplitDataset(range(10), {"a": number}).select("a")) == expected


def test_survives_pickle_with_nothing_selected():
    split = pickle.loads(pickle.dumps(SplitDataset(range(4), {"a": 1, "b": 3})))
    assert list(split.select("b")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("partitions", "error", "message"),
    [
        ({"a": 1.0}, ValueError, "at least two partitions, got .*'a': 1.0"),
        (
            {"a": 1},
            ValueError,
            "at least two partitions, got .*'a': 1}, or one that le",
        ),
        ({}, ValueError, "at least two partitions"),
        ([0.5, 0.5], TypeError, r"partitions \{name: number\}, got \[0.5, 0.5\]"),
        ({"a": -0.1, "b": 0.5}, ValueError, "sizes >= 0, got -0.1 for 'a'"),
        ({"a": 5, "b": -1}, ValueError, "sizes >= 0, got -1 for 'b'"),
        ({"a": float("nan"), "b": 1}, ValueError, "sizes >= 0, got nan"),
        ({"a": float("inf"), "b": 1}, ValueError, "sizes >= 0, got inf"),
        ({"a": 0, "b": 0.0}, ValueError, "a partition that is not 0; all are"),
        ({"a": 0.8, "b": 0.3}, ValueError, "at most 1, or whole.* 0.8, 0.3.* 1.1"),
        ({"a": 0.7, "b": 0.4}, ValueError, "at most 1, or whole sizes; got 0.7, 0.4"),
        ({"a": 0.5, "b": 0.5001}, ValueError, "which sum to 1.0001"),
        ({"a": 0.5, "b": 0.5 + 1e-11}, ValueError, "which sum to 1.00000000001"),
        ({"a": SINGLE(0.5), "b": SINGLE(0.5001)}, ValueError, "sum to 1.0001"),
        ({"a": SINGLE(0.5), "b": SINGLE(0.500001)}, ValueError, "sum to 1.000001"),
        ({"a": HALF(0.5), "b": HALF(0.505)}, ValueError, "which sum to 1.005"),
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


def test_sizes_of_more_than_float64_counts_are_exact():
    length = 2**53
    assert sizes(length, {"a": 1, "b": length - 1}) == {"a": 1, "b": length - 1}
    with pytest.raises(ValueError, match=f"of {length + 1} samples"):
        SplitDataset(range(length), {"a": 1, "b": length})


def test_a_part_that_a_device_cannot_count_to_says_so():
    picked = ResampleDataset(
        jnp.arange(4), lambda dataset, index: index % 4, size=2**33, batched=True
    )
    part = SplitDataset(picked, {"a": 2**32, "b": 2**32}, "b")
    assert part[3] == 3
    for read in (lambda: part[jnp.int32(3)], lambda: jax.jit(lambda i: part[i])(3)):
        with pytest.raises(TypeError, match="a device counts to 2147483648 only"):
            read()
