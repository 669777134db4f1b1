"""Orders without a table: one to one, uniform, and the same on host and device."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tntjax.dataset import ShuffleDataset, TableDataset, take
from tntjax.dataset._random_order import ROUNDS, KeyedOrder, round_keys, scramble

NEVER = 1e-6
"""Chance that a fair order fails one of these tests; the seeds are fixed anyway."""


class Numbers:
    """Sample n is n, for any number of samples."""

    uniform_length = 0

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return index

    def take(self, indices):
        return indices


def permutation(length, seed=0):
    return KeyedOrder(round_keys(seed, 0), length, length)


def draws(length, size, seed=0):
    return KeyedOrder(round_keys(seed, 1), length, size, replacement=True)


def all_of(order):
    return order.look_up(np.arange(order.size), "it")


def fits(observed):
    """Whether the counts may be those of equal chances."""
    return stats.chisquare(observed).pvalue > NEVER


@pytest.mark.parametrize("length", [*range(1, 70), 1000, 1024, 1025, 2**17 + 1])
def test_each_index_comes_exactly_once(length):
    for seed in range(3):
        assert np.bincount(all_of(permutation(length, seed))).tolist() == [1] * length


@pytest.mark.parametrize("bits", [(1, 0), (1, 1), (2, 1), (3, 3), (5, 4), (7, 7)])
def test_words_are_mapped_one_to_one(bits):
    high, low = np.indices((2 ** bits[0], 2 ** bits[1]), np.uint32).reshape(2, -1)
    pairs = zip(*scramble(round_keys(0, 0), high, low, *bits), strict=True)
    assert len(set(pairs)) == high.size


@pytest.mark.slow
@pytest.mark.parametrize("length", [10, 23])
def test_any_index_comes_first_and_any_two_come_together(length):
    orders = np.stack([all_of(permutation(length, seed)) for seed in range(8_000)])
    assert fits(np.bincount(orders[:, 0], minlength=length))
    assert fits(np.bincount(orders[:, length // 2], minlength=length))
    for first, second in ((0, 1), (2, 3), (1, 4), (0, length - 1)):
        counts = np.zeros((length, length))
        np.add.at(counts, (orders[:, first], orders[:, second]), 1)
        assert fits(counts[~np.eye(length, dtype=bool)])


@pytest.mark.parametrize("length", [2**20 + 1, 2**29 + 1, 10**9, 10**13])
@pytest.mark.parametrize("make", [permutation, lambda n: draws(n, n)])
def test_indices_are_uniform_and_have_no_pattern(make, length):
    order = make(length)
    index = order.look_up(np.arange(100_000), "it")
    assert fits(np.bincount(index * 100 // length, minlength=100))
    assert fits(np.bincount(np.diff(index) % length * 100 // length, minlength=100))
    assert fits(np.bincount(index % 64, minlength=64))
    rising = np.bincount(np.diff(index) > 0, minlength=2)
    assert fits(rising)
    assert stats.spearmanr(np.arange(index.size), index).pvalue > NEVER


def test_positions_far_apart_are_as_random():
    order = permutation(10**9)
    for step in (2**10, 2**15, 10**5):
        index = order.look_up(np.arange(0, 10**9, step)[:10_000], "it")
        assert fits(np.bincount(index // 10**7, minlength=100))


@pytest.mark.slow
def test_seeds_that_are_neighbours_give_unlike_orders():
    length = 10**9
    first = permutation(length, 0).look_up(np.arange(50_000), "it")
    second = permutation(length, 1).look_up(np.arange(50_000), "it")
    apart = (second - first) % length * 100 // length
    assert fits(np.bincount(apart, minlength=100))
    firsts = [
        int(permutation(length, seed).look_up(np.array(7), "it"))
        for seed in range(5_000)
    ]
    assert fits(np.bincount(np.array(firsts) // (length // 50), minlength=50))


def test_draws_repeat_as_often_as_chance_has_it():
    counts = np.bincount(all_of(draws(1000, 200_000)), minlength=1000)
    assert fits(counts)
    distinct = len(set(all_of(draws(10_000, 10_000)).tolist()))
    assert abs(distinct - 10_000 * (1 - np.exp(-1))) < 300


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 3, 13, 1000, 2**20 + 1, 2**31 - 1, 2**31])
@pytest.mark.parametrize("make", [permutation, lambda n: draws(n, n)])
def test_a_device_computes_what_the_host_computes(make, length):
    order = make(length)
    positions = np.random.default_rng(0).integers(length, size=(7, 11))
    expected = order.look_up(positions, "it")
    resident = jax.device_put(order)
    compiled = jax.jit(lambda order, at: order.look_up(at, "it"))
    np.testing.assert_array_equal(compiled(resident, positions), expected)
    np.testing.assert_array_equal(resident.look_up(positions, "it"), expected)
    assert compiled(resident, positions).dtype == np.int32


def test_what_is_out_of_range_on_a_device_ends_too():
    resident = jax.device_put(permutation(1000))
    ends = resident.look_up(jnp.array([-5, 1000, 2**31 - 1]), "it")
    assert ends.tolist() == resident.look_up(jnp.array([0, 999, 999]), "it").tolist()


def test_golden():
    assert permutation(10**9).look_up(np.arange(4), "it").tolist() == [
        478857780,
        604788633,
        440489150,
        423632380,
    ]
    assert draws(10**9, 9).look_up(np.arange(4), "it").tolist() == [
        1345497,
        572397270,
        318108591,
        119305922,
    ]


def test_a_shuffle_above_a_million_has_no_table():
    dataset = ShuffleDataset(Numbers(10**6 + 1), seed=0)
    assert dataset.order.keys.shape == (ROUNDS,)
    order = dataset.take(np.arange(len(dataset)))
    assert np.bincount(order).tolist() == [1] * len(dataset)
    assert [dataset[5], dataset[np.int64(6)]] == order[5:7].tolist()
    assert type(dataset[5]) is int


def test_a_shuffle_of_a_million_keeps_its_table():
    dataset = ShuffleDataset(Numbers(10**6), seed=3)
    expected = np.random.default_rng(3).permutation(np.arange(10**6, dtype=np.int32))
    np.testing.assert_array_equal(dataset.order, expected)


def test_a_size_leaves_the_start_of_the_order():
    some = ShuffleDataset(Numbers(10**9), seed=4, size=10)
    every = ShuffleDataset(Numbers(10**9), seed=4)
    assert len(some) == 10
    assert list(some) == every.take(np.arange(10)).tolist()
    with pytest.raises(IndexError, match="ShuffleDataset has 10 samples"):
        some[10]


def test_replacement_above_a_million_has_no_table():
    for length, size in ((10, 10**9), (10**9, 10), (10**9, None)):
        dataset = ShuffleDataset(Numbers(length), 0, size, replacement=True)
        assert len(dataset) == (size or length)
        index = dataset.take(np.arange(10))
        assert ((index >= 0) & (index < length)).all()


def test_a_billion_are_shuffled_without_a_table():
    numbers = Numbers(10**9)
    tracemalloc.start()
    try:
        dataset = ShuffleDataset(numbers, seed=1)
        dataset.take(np.arange(0, 10**9, 10**6))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20  # a table has 8 GB


@pytest.mark.parametrize("replacement", [False, True])
def test_a_new_seed_compiles_nothing(replacement):
    traces = []

    @jax.jit
    def read(dataset, index):
        traces.append(index)
        return take(dataset, index)

    table = TableDataset(np.arange(10**6 + 5, dtype=np.int32))
    for seed in (0, 2**70):
        dataset = ShuffleDataset(table, seed, replacement=replacement)
        batch = read(jax.device_put(dataset), np.array([5, 0, 9]))
        assert batch.tolist() == dataset.take([5, 0, 9]).tolist()
    assert len(traces) == 1


def test_a_key_on_the_host_is_not_baked_into_compiled_code():
    dataset = ShuffleDataset(Numbers(10**7), seed=0)
    with pytest.raises(TypeError, match=r"ShuffleDataset holds NumPy .*device_put"):
        jax.jit(lambda index: take(dataset, index))(0)


def test_more_than_a_device_counts_are_read_on_the_host():
    order = permutation(2**31 + 1)
    resident = jax.device_put(order)
    expected = order.look_up(np.arange(3), "it").tolist()
    for positions in (np.arange(3), jnp.arange(3)):
        assert resident.look_up(positions, "it").tolist() == expected
    with pytest.raises(TypeError, match=r"it has 2147483649 samples .* in NumPy"):
        jax.jit(lambda order, at: order.look_up(at, "it"))(resident, 0)
