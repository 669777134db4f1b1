import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter.parts._count import Count, tally
from tntjax.meter.parts._sums import Total

wide = st.integers(0, 2**62 - 1)
many_examples = settings(max_examples=60)


def on_device(count):
    return jax.device_put(count)


@many_examples
@given(wide, wide)
def test_sums_and_differences_are_exact_without_x64(a, b):
    for place in (lambda count: count, on_device):
        left, right = place(Count.of(a)), place(Count.of(b))
        assert int(left + right) == a + b
        assert int(left + right - right) == a


def test_adds_an_array_of_int32():
    counts = Count.of([0, 2**32 - 1, 7]) + np.array([1, 1, 0], np.int32)
    assert counts.integers().tolist() == [1, 2**32, 7]


def test_the_host_gives_int64_and_a_device_stops_at_int32():
    count = Count.of([5, 2**31 - 1, 2**31, 2**40])
    assert count.integers().tolist() == [5, 2**31 - 1, 2**31, 2**40]
    most = 2**31 - 1
    assert on_device(count).integers().tolist() == [5, most, most, most]
    assert on_device(count).integers().dtype == np.int32


def test_floats_are_rounded():
    numbers = [0, 3, 2**31, 2**40 + 1]
    for count in (Count.of(numbers), on_device(Count.of(numbers))):
        np.testing.assert_allclose(count.floats(), numbers, rtol=1e-7)


@many_examples
@given(st.lists(wide, min_size=1, max_size=6))
def test_cumulative_sums_carry(numbers):
    numbers = [number >> 3 for number in numbers]
    for count in (Count.of(numbers), on_device(Count.of(numbers))):
        total = jax.device_get(count.cumsum()).integers()
        assert total.tolist() == np.cumsum(numbers).tolist()


def test_tally_counts_repeated_cells_and_leaves_out_those_past_the_end():
    cells = jnp.array([0, 2, 2, 3, 9, 2])
    counts = jax.device_get(tally(Count.zeros((2, 2)), cells, axes=2))
    assert counts.integers().tolist() == [[1, 0], [3, 1]]


@pytest.mark.parametrize("start", [0, 2**24, 2**31 - 2, 2**32 - 2, 2**45 - 1])
def test_tally_carries(start):
    counts = tally(
        Count.of([start, 5]), jnp.array([0, 0, 0]), jnp.array([1, 2, 3]), axes=1
    )
    assert jax.device_get(counts).integers().tolist() == [start + 6, 5]


def test_int_and_repr():
    assert int(on_device(Count.of(2**40))) == 2**40
    assert repr(Count.of(3)) == "Count(uint32[])"
    assert int(pickle.loads(pickle.dumps(Count.of(3)))) == 3


def test_int_of_many_counts_says_how_to_read_them():
    many = on_device(Count.of([1, 2]))
    with pytest.raises(TypeError, match=r"needs one count, got uint32\[2\].*integers"):
        int(many)


def test_a_total_keeps_what_is_small_beside_it():
    total = Total.zeros((2,))
    step = jax.jit(lambda total: total + jnp.array([0.1, 1.0], jnp.float32))
    total = Total(np.array([2.0**24, 2.0**24], np.float32), total.rest)
    for _ in range(100):
        total = step(total)
    rest = np.asarray(total.sum, np.float64) - 2**24 + np.asarray(total.rest)
    np.testing.assert_allclose(rest, [10, 100], rtol=1e-6)
