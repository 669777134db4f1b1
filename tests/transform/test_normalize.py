import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from tntjax.transform import normalize

shapes = st_np.array_shapes(min_dims=0, max_dims=3, max_side=4)
arrays = st_np.arrays(np.float64, shapes, elements=st.integers(-100, 100).map(float))


@given(arrays)
def test_zero_mean_unit_deviation(array):
    result = normalize()(array)
    assert result.shape == array.shape
    assert abs(result.mean()) < 1e-9
    if array.size > 1 and array.std() > 0:
        assert result.std(ddof=1) == pytest.approx(1)
    else:
        assert not result.any()


def test_numpy_in_numpy_out_jax_in_jax_out():
    values = [1.0, 2.0, 6.0]
    host = normalize()(np.array(values, np.float32))
    device = normalize()(jnp.array(values))
    assert type(host) is np.ndarray and isinstance(device, jax.Array)
    np.testing.assert_allclose(host, device, rtol=1e-6)
    traced = jax.jit(normalize())(jnp.array(values))
    np.testing.assert_allclose(traced, device, rtol=1e-6)


def test_does_not_change_its_argument():
    array = np.array([1.0, 3.0])
    normalize()(array)
    assert array.tolist() == [1.0, 3.0]


def test_divides_only_above_the_threshold():
    array = np.array([-1.0, 0.0, 1.0])  # deviation 1
    assert normalize(threshold=1)(2 * array).tolist() == array.tolist()
    assert normalize(threshold=2)(2 * array).tolist() == (2 * array).tolist()


@pytest.mark.parametrize("value", [7.0, [7.0], 7])
def test_one_element_is_centered(value):
    assert not normalize()(value).any()


def test_nothing_stays_nothing():
    assert normalize()(np.zeros((0, 3), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.uint8, np.float32),
        (bool, np.float32),
        (np.int64, np.float32),
        (np.float16, np.float16),
        (jnp.bfloat16, jnp.bfloat16),
        (np.float32, np.float32),
        (np.float64, np.float64),
    ],
)
def test_dtypes(dtype, result):
    array = np.array([0, 1, 1, 0], dtype)
    assert normalize()(array).dtype == result
    assert normalize()(np.zeros(0, dtype)).dtype == result


def test_half_precision_is_computed_in_single():
    array = np.full(10_000, 60000, np.float16)  # the sum is no float16
    array[0] = 59968
    assert np.isfinite(normalize()(array)).all()


@pytest.mark.parametrize("start", [1_700_000_000, 2**40])
def test_integers_that_single_precision_would_round_stay_apart(start):
    result = normalize()(start + np.arange(3))
    assert result.tolist() == [-1.0, 0.0, 1.0]


def test_refuses_what_is_not_real():
    with pytest.raises(TypeError, match=r"needs real numbers, got complex128\[2\]"):
        normalize()(np.zeros(2, complex))


@pytest.mark.parametrize("threshold", [-1, float("nan")])
def test_refuses_a_negative_threshold(threshold):
    with pytest.raises(ValueError, match="threshold >= 0"):
        normalize(threshold)
    with pytest.raises(TypeError, match="threshold must be a number, got '0'"):
        normalize("0")
