import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tntjax.dataset import ResampleDataset, TableDataset, take, weighted_sampler


def drawn(weights, size, seed=0):
    dataset = ResampleDataset(
        np.arange(len(weights)), weighted_sampler(weights, seed), size
    )
    return dataset.take(np.arange(size))


@pytest.mark.parametrize(
    "weights",
    [
        [1, 1],
        [0.1, 0.2, 0.7],
        [5, 0, 3, 0, 0, 2, 0],
        [0, 0, 1, 3],
        np.arange(1, 1001) ** 2,
        np.random.default_rng(0).exponential(size=333).astype(np.float32),
        [1e-12, 1.0, 1e-3],
        [True, False, True],
    ],
    ids=lambda weights: f"{len(weights)}",
)
def test_samples_come_in_proportion_to_their_weights(weights):
    size, weights = 300_000, np.asarray(weights, float)
    counts = np.bincount(drawn(weights, size), minlength=len(weights))
    expected = weights / weights.sum() * size
    rare = expected < 5  # too few for the test below
    assert counts[rare].sum() <= expected[rare].sum() * 2 + 10 * rare.any()
    assert (counts[weights == 0] == 0).all()
    observed, expected = counts[~rare], expected[~rare]
    expected *= observed.sum() / expected.sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-6


def test_neighbours_are_independent():
    index = drawn([1, 2, 3], 200_000)
    counts = np.bincount(index[:-1] * 3 + index[1:], minlength=9).reshape(3, 3)
    assert stats.chi2_contingency(counts).pvalue > 1e-6


def test_golden():
    assert drawn([1, 2, 3, 4], 12).tolist() == [2, 2, 3, 3, 1, 3, 2, 3, 1, 0, 3, 1]


def test_an_index_is_a_function_of_seed_and_position():
    weights = np.arange(1, 50)
    sampler = weighted_sampler(weights, seed=5)
    one_by_one = [int(sampler(weights, position)) for position in range(20)]
    assert one_by_one == sampler(weights, np.arange(20)).tolist()
    assert one_by_one == sampler(weights, np.arange(20).reshape(4, 5)).ravel().tolist()
    assert one_by_one == weighted_sampler(weights, 5)(weights, np.arange(20)).tolist()
    assert one_by_one != weighted_sampler(weights, 6)(weights, np.arange(20)).tolist()


def test_only_one_sample_may_have_a_weight():
    assert drawn([0, 3, 0], 5).tolist() == [1] * 5
    assert drawn([2], 3).tolist() == [0] * 3


def test_a_last_weight_lost_to_rounding_is_still_in_range():
    assert set(drawn([1.0, 1e-300], 1000).tolist()) == {0}
    assert set(drawn([1e-300, 1.0], 1000).tolist()) == {1}


@pytest.mark.parametrize(
    ("weights", "same"),
    [
        ([1e308] * 3, [1] * 3),
        ([1.7e308, 0, 8.5e307], [2, 0, 1]),
        ([5e-324, 0, 1e-323], [1, 0, 2]),
        (np.float16([6e-8, 1.2e-7]), [1, 2]),
        (np.finfo(np.longdouble).max / np.longdouble([1, 3]), [3, 1]),
        ([2**63, 2**63, 2**62], [2, 2, 1]),
        (np.uint8([255, 255]), [1, 1]),
    ],
    ids=lambda weights: f"{weights[0]}",
)
def test_only_the_proportions_of_weights_count(weights, same):
    assert drawn(weights, 1000).tolist() == drawn(same, 1000).tolist()


@given(
    st.lists(st.floats(0, 1e300), min_size=1, max_size=20).filter(any),
    st.integers(0, 2**62),
)
def test_scaling_costs_no_bit(weights, seed):
    ends = np.cumsum(weights)
    fractions = ends[: np.flatnonzero(weights)[-1]] / ends[-1]
    most = np.nextafter(2.0**64, 0.0)
    expected = np.ldexp(fractions, 64).clip(None, most).astype(np.uint64)
    sampler = weighted_sampler(weights, seed)
    borders = np.uint64(sampler.high) << np.uint64(32) | np.uint64(sampler.low)
    assert borders.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float8_e4m3fn, jnp.int4])
def test_weights_may_have_dtypes_that_numpy_lacks(dtype):
    for weights in (jnp.array([1, 2, 3], dtype), np.array([1, 2, 3], dtype)):
        assert drawn(weights, 50).tolist() == drawn([1, 2, 3], 50).tolist()


@pytest.mark.slow
def test_a_device_draws_what_the_host_draws_and_a_new_seed_compiles_nothing():
    traces = []

    @jax.jit
    def read(dataset, indices):
        traces.append(indices)
        return take(dataset, indices)

    table = TableDataset(np.arange(1000, dtype=np.int32))
    positions = np.arange(600).reshape(20, 30)
    for seed in (0, 2**80):
        sampler = weighted_sampler(np.arange(1000) % 7, seed)
        dataset = ResampleDataset(table, sampler, 10_000)
        expected = dataset.take(positions)
        resident = jax.device_put(dataset)
        np.testing.assert_array_equal(read(resident, positions), expected)
        assert int(resident[jnp.int32(3)]) == expected[0, 3] == int(resident[3])
    assert len(traces) == 1


def test_can_be_pickled_and_hashed():
    sampler = weighted_sampler([1, 2, 3], seed=1)
    again = pickle.loads(pickle.dumps(sampler))
    assert again("abc", np.arange(9)).tolist() == sampler("abc", np.arange(9)).tolist()
    assert isinstance(hash(sampler), int)
    with pytest.raises(AttributeError, match="cannot assign"):
        sampler.keys = None


def test_there_is_a_weight_for_each_sample():
    dataset = ResampleDataset("abcd", weighted_sampler([1, 2, 3], seed=0))
    with pytest.raises(ValueError, match="got 3 weights, but there are 4 samples"):
        dataset[0]


@pytest.mark.parametrize(
    ("weights", "seed", "error", "message"),
    [
        ([], 0, ValueError, "not all 0, got 0 to 0"),
        ([0, 0], 0, ValueError, "not all 0, got 0 to 0"),
        ([1, -1], 0, ValueError, "finite weights >= 0 .* got -1 to 1"),
        ([1, np.nan], 0, ValueError, "finite weights"),
        ([1, np.inf], 0, ValueError, "finite weights .* to inf"),
        ([[1, 2]], 0, ValueError, r"weights \[N\], got int64\[1,2\]"),
        (3.0, 0, ValueError, r"weights \[N\], got float64\[\]"),
        (jnp.bfloat16([1, -1]), 0, ValueError, "finite weights >= 0 .* got -1 to 1"),
        (jnp.bfloat16([1, np.nan]), 0, ValueError, "finite weights"),
        (np.array([1], "m8[s]"), 0, TypeError, "needs numbers, got timedelta64"),
        ([1 + 0j], 0, TypeError, r"needs numbers, got complex128\[1\]"),
        (["a"], 0, TypeError, r"needs numbers, got <U1\[1\]"),
        ([1, 2], None, TypeError, "seed must be an integer, got None"),
        ([1, 2], 0.5, TypeError, "seed must be an integer, got 0.5"),
        ([1, 2], -1, ValueError, "seed must be at least 0, got -1"),
    ],
    ids=str,
)
def test_refuses(weights, seed, error, message):
    with pytest.raises(error, match=message):
        weighted_sampler(weights, seed)
