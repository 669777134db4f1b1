import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.transform import randperm


@given(size=st.integers(0, 50), seed=st.integers(0, 2**32))
def test_is_a_permutation(size, seed):
    perm = randperm(size, seed)
    assert sorted(perm(i) for i in range(size)) == list(range(size))


def test_stays_the_same():
    perm = randperm(20, seed=1)
    assert [perm(i) for i in range(20)] == [perm(i) for i in range(20)]
    again = randperm(20, seed=1)
    assert [again(i) for i in range(20)] == [perm(i) for i in range(20)]


def test_seeds_differ():
    everything = np.arange(100)
    assert not np.array_equal(
        randperm(100, 0)(everything), randperm(100, 1)(everything)
    )


def test_an_index_gives_an_int():
    for index in (3, np.int64(3), np.uint8(3)):
        assert type(randperm(10)(index)) is int


def test_takes_arrays_of_any_shape():
    perm = randperm(10)
    indices = np.array([[3, 1], [0, 9]], np.int16)
    expected = [[perm(3), perm(1)], [perm(0), perm(9)]]
    assert perm(indices).tolist() == expected
    assert perm([[3, 1], [0, 9]]).tolist() == expected
    assert perm(np.array(3)) == perm(3)
    assert perm([]).shape == (0,)


def test_takes_tracers():
    perm = randperm(10)
    indices = jnp.array([3, 1])
    expected = [perm(3), perm(1)]
    assert jax.jit(perm)(indices).tolist() == expected
    assert perm(indices).tolist() == expected


@pytest.mark.parametrize(
    "index", [-1, 10, [0, 10], [-1, 3], np.array(10), jnp.array([3, 10])]
)
def test_out_of_range(index):
    with pytest.raises(IndexError, match=r"10 indices from 0 on; got (-1|10)\."):
        randperm(10)(index)


@pytest.mark.parametrize(
    "index", [1.0, [0.5], "1", True, np.True_, [0, True], jnp.array([True])]
)
def test_needs_integers(index):
    with pytest.raises(TypeError, match="needs integer indices, got"):
        randperm(10)(index)


@pytest.mark.parametrize(("size", "seed"), [(-1, 0), (3, -1)])
def test_refuses_less_than_nothing(size, seed):
    with pytest.raises(ValueError, match="must be at least 0, got -1"):
        randperm(size, seed)


def test_refuses_more_than_an_array_can_have():
    with pytest.raises(ValueError, match=r"randperm: size must be less than 2\*\*63"):
        randperm(2**63)


def test_refuses_what_does_not_count():
    for size in (3.5, True, "3"):
        with pytest.raises(TypeError, match="randperm: size must be an integer, got"):
            randperm(size)


def test_its_pickle_is_small():
    assert len(pickle.dumps(randperm(1_000_000))) < 200
