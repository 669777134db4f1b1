import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter import AverageValueMeter
from tntjax.meter.parts._count import Count

many_examples = settings(max_examples=30)
finite = st.floats(-1e4, 1e4, width=32)


def measured(meter):
    return tuple(float(number) for number in meter.value())


def test_golden_values_of_torchnet():
    # sum = 1 + 2 * 4 + 7 = 16, N = 4; deviations -3, 0, 0, 3
    meter = AverageValueMeter().add(1.0).add(4.0, 2).add(7.0)
    assert measured(meter) == pytest.approx((4.0, math.sqrt(6.0)))
    assert int(meter.n) == 4


def test_empty_is_nan():
    mean, std = measured(AverageValueMeter())
    assert math.isnan(mean) and math.isnan(std)


def test_one_value_has_a_mean_and_no_deviation():
    mean, std = measured(AverageValueMeter().add(3.0))
    assert mean == 3.0 and math.isnan(std)


def test_equal_values_deviate_by_nothing():
    assert measured(AverageValueMeter().add(3.0, n=5)) == (3.0, 0.0)
    assert measured(AverageValueMeter().add([3.0] * 4)) == (3.0, 0.0)


def test_value_is_a_named_tuple_that_survives_pickle():
    value = AverageValueMeter().add([1.0, 3.0]).value()
    mean, std = value
    assert mean == value.mean and std == value.std
    copy = pickle.loads(pickle.dumps(AverageValueMeter().value()))
    assert type(copy).__name__ == "MeanStd"


@many_examples
@given(st.lists(st.tuples(finite, st.integers(0, 3)), min_size=3, max_size=3))
def test_is_numpy_on_values_repeated_by_weight(pairs):
    values, weights = np.array([v for v, _ in pairs]), np.array([w for _, w in pairs])
    repeated = np.repeat(values, weights)
    mean, std = measured(AverageValueMeter().add(values, weights))
    assert (repeated.size == 0) == math.isnan(mean)
    assert (repeated.size < 2) == math.isnan(std)
    tolerance = 1e-6 * max(1, np.abs(values).max())
    if repeated.size > 0:
        assert mean == pytest.approx(repeated.mean(), abs=tolerance)
    if repeated.size > 1:
        assert std == pytest.approx(repeated.std(ddof=1), abs=tolerance)


@many_examples
@given(seed=st.integers(0, 2**32 - 1))
def test_a_mean_of_positive_values_is_right_beside_a_much_larger_one(seed):
    values = np.random.default_rng(seed).lognormal(0, 3, (3, 64)).astype(np.float32)
    meter = AverageValueMeter()
    for batch in values:
        meter = meter.add(batch)
    mean, std = measured(meter)
    exact = values.astype(np.float64)
    assert mean == pytest.approx(exact.mean(), rel=1e-6)
    assert std == pytest.approx(exact.std(ddof=1), rel=1e-6)


def test_weights_are_by_row_where_axes_could_be_confused():
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    by_row = AverageValueMeter().add(values, n=[1, 0])
    assert measured(by_row)[0] == 1.5
    by_column = AverageValueMeter().add(values, n=[[1, 0]])
    assert measured(by_column)[0] == 2.0


def test_a_mask_may_speak_of_rows_or_of_values():
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert measured(AverageValueMeter().add(values, mask=[True, False]))[0] == 1.5
    single = AverageValueMeter().add(values, mask=[[True, False], [False, False]])
    assert measured(single)[0] == 1.0


def test_mask_and_weight_together():
    meter = AverageValueMeter().add(
        [1.0, 2.0, 3.0], [1, 2, 4], mask=[True, True, False]
    )
    assert measured(meter)[0] == pytest.approx(5 / 3)
    assert int(meter.n) == 3


def test_a_value_without_weight_may_be_nan():
    assert measured(AverageValueMeter().add([1.0, np.nan], [1, 0]))[0] == 1.0


def test_a_nan_value_shows():
    assert math.isnan(measured(AverageValueMeter().add([1.0, np.nan]))[0])


INFINITE = [
    [np.inf, 1.0, 2.0],
    [1.0, np.inf, -3.0],
    [-np.inf, 1.0, 1.0],
    [1.0, 2.0, -np.inf],
    [np.inf, np.inf, 1.0],
    [-np.inf, -np.inf, -np.inf],
    [np.inf, -np.inf, 1.0],
    [np.nan, np.inf, 1.0],
    [np.inf, 0.0, np.nan],
    [np.inf, 3e38, -3e38],
]


@pytest.mark.slow
@pytest.mark.parametrize("values", INFINITE, ids=str)
def test_infinity_is_averaged_as_numpy_does(values):
    with np.errstate(invalid="ignore"):
        expected = np.mean(values)
    each = [AverageValueMeter().add(value) for value in values]
    hosted = [jax.device_get(meter) for meter in each]
    scanned, _ = jax.lax.scan(
        lambda meter, value: (meter.add(value), None),
        AverageValueMeter(),
        np.array(values, np.float32),
    )
    later = AverageValueMeter()
    for value in values:
        later = later.add(value)
    for meter in (
        AverageValueMeter().add(values),
        later,
        scanned,
        each[0].merge(each[1]).merge(each[2]),
        each[0].merge(each[1].merge(each[2])),
        each[2].merge(each[0]).merge(each[1]),
        hosted[0].merge(hosted[1]).merge(hosted[2]),
        hosted[2].merge(hosted[1].merge(hosted[0])),
        later.merge(later.reset()),
        later.reset().merge(later),
    ):
        mean, std = measured(meter)
        assert mean == expected or (math.isnan(mean) and math.isnan(expected))
        assert math.isnan(std)


def test_an_infinite_value_beside_many_stays():
    many = AverageValueMeter().add(1.0, n=2**31 - 1)
    infinite = AverageValueMeter().add(-np.inf)
    assert measured(many.merge(infinite))[0] == -math.inf
    assert measured(infinite.merge(many))[0] == -math.inf


def test_an_infinite_value_that_is_masked_or_has_no_weight_does_not_count():
    meter = AverageValueMeter().add(2.0)
    assert measured(meter.add([np.inf, 4.0], mask=[False, True]))[0] == 3.0
    assert measured(meter.add([np.inf, 4.0], n=[0, 1]))[0] == 3.0


def test_opposite_values_whose_distance_overflows_have_a_mean():
    mean, std = measured(AverageValueMeter().add(3e38).add(-3e38))
    assert mean == 0.0 and std == math.inf


@pytest.mark.parametrize("size", [1, 64])
def test_the_deviation_does_not_drift_over_many_adds(size):
    """float32 alone would stop to grow at 2**24, where adding 1 changes nothing."""
    count = 2**24
    start = AverageValueMeter(n=Count.of(count), m2=np.float32(count))
    steps = 2**18 // size
    values = np.where(np.arange(steps * size) % 2, 1, -1).astype(np.float32)
    add = lambda meter, batch: (meter.add(batch), None)  # noqa: E731
    scan = jax.jit(lambda m, batches: jax.lax.scan(add, m, batches)[0])
    meter = scan(start, values.reshape(steps, size))
    held = float(meter.m2) + float(meter.m2_rest)
    assert held == pytest.approx(count + values.size, abs=1)
    # the same from parts, on the host
    rest = AverageValueMeter().add(values)
    merged = jax.device_get(start.merge(rest))
    assert float(merged.m2) + float(merged.m2_rest) == pytest.approx(held, abs=1)


@pytest.mark.slow
def test_gradients_of_mean_and_deviation():
    values = jnp.array([1.0, 2.0, 4.0])

    def deviation(values):
        return AverageValueMeter().add(values[:1]).add(values[1:]).value().std

    mean, std = 7 / 3, np.std([1.0, 2.0, 4.0], ddof=1)
    expected = (np.array([1.0, 2.0, 4.0]) - mean) / (2 * std)
    np.testing.assert_allclose(jax.grad(deviation)(values), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.uint8, jnp.int32])
def test_computes_in_float32(dtype):
    values = jnp.full(1000, 3, dtype)  # 1000 * 3 is no bfloat16 or uint8
    meter = AverageValueMeter().add(values)
    assert measured(meter) == (3.0, 0.0)
    assert meter.mean.dtype == meter.m2.dtype == jnp.float32


def test_bools_average_to_a_rate():
    assert measured(AverageValueMeter().add([True, False, True, True]))[0] == 0.75


def test_float64_keeps_the_dtype_of_the_meter():
    jax.config.update("jax_enable_x64", True)
    try:
        meter = AverageValueMeter().add(jnp.arange(3.0, dtype=jnp.float64))
        assert meter.mean.dtype == jnp.float32
        wide = AverageValueMeter(
            mean=np.float64(0), m2=np.float64(0), rest=np.float64(0)
        ).add(jnp.array([0.1, 0.2]))
        assert wide.mean.dtype == np.float64
        assert wide.value().mean == pytest.approx(0.15, rel=1e-15)
    finally:
        jax.config.update("jax_enable_x64", False)


def test_large_host_numbers_are_not_cut():
    assert measured(AverageValueMeter().add(3 * 10**9))[0] == pytest.approx(3e9)
    assert measured(AverageValueMeter().add(10**30))[0] == pytest.approx(1e30)
    assert measured(AverageValueMeter().add([10**30, 0]))[0] == pytest.approx(5e29)
    large = np.array([2**40, 2**40], np.int64)
    assert measured(AverageValueMeter().add(large))[0] == 2.0**40
    assert measured(AverageValueMeter().add(np.float64(1e300)))[0] == math.inf


def test_takes_lists_of_traced_numbers():
    meter = jax.jit(lambda x: AverageValueMeter().add([x, 2 * x]))(3.0)
    assert measured(meter)[0] == 4.5


def test_torch_like_values_are_arrays():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 3.0])

    assert measured(AverageValueMeter().add(Tensor()))[0] == 2.0


@pytest.mark.parametrize("size", [1, 100])
def test_is_stable_for_large_values_of_small_spread(size):
    rng = np.random.default_rng(0)
    values = (1e6 + 0.1 * rng.normal(size=(20_000 // size, size))).astype(np.float32)

    @jax.jit
    def total(values):
        add = lambda meter, batch: (meter.add(batch), None)  # noqa: E731
        return jax.lax.scan(add, AverageValueMeter(), values)[0]

    meter = total(values)
    mean = float(meter.mean) + float(meter.rest)
    exact = values.astype(np.float64)
    assert mean - 1e6 == pytest.approx(exact.mean() - 1e6, abs=1e-5)
    assert measured(meter)[1] == pytest.approx(exact.std(ddof=1), rel=1e-4)


def test_is_stable_in_merging_many():
    rng = np.random.default_rng(0)
    values = (1e6 + 0.1 * rng.normal(size=(512, 16))).astype(np.float32)
    meters = [jax.tree.map(np.asarray, AverageValueMeter().add(row)) for row in values]
    while len(meters) > 1:
        halves = zip(meters[::2], meters[1::2], strict=True)
        meters = [left.merge(right) for left, right in halves]
    exact = values.astype(np.float64)
    assert measured(meters[0])[1] == pytest.approx(exact.std(ddof=1), rel=1e-4)


def test_a_long_run_does_not_stick():
    """float32 alone would stop to move: 1e-8 is below half an ulp of 0.5."""
    meter = AverageValueMeter(n=Count.of(100_000_000), mean=np.float32(0.5))
    steps = jnp.full(1_000_000, 1.5)
    add = lambda meter, value: (meter.add(value), None)  # noqa: E731
    meter, _ = jax.jit(lambda m, s: jax.lax.scan(add, m, s))(meter, steps)
    assert int(meter.n) == 101_000_000
    expected = (0.5 * 1e8 + 1.5e6) / 1.01e8
    assert float(meter.value().mean) == pytest.approx(expected, rel=1e-6)


def test_merging_far_apart_means():
    low = AverageValueMeter().add([0.0, 2.0])
    high = AverageValueMeter().add([1e20, 1e20])
    assert math.isfinite(measured(AverageValueMeter().merge(high))[0])
    assert measured(low.merge(AverageValueMeter().add([10.0]))) == pytest.approx(
        (4.0, math.sqrt(28.0))
    )


@pytest.mark.parametrize("value", ["0.5", None, 1j, {"loss": 1.0}, ["a"]])
def test_refuses_what_is_no_real_number(value):
    with pytest.raises(TypeError):
        AverageValueMeter().add(value)


def test_names_the_value_it_refuses():
    with pytest.raises(TypeError, match=r"needs real numbers, got complex64\[2\]"):
        AverageValueMeter().add(jnp.ones(2, jnp.complex64))


@pytest.mark.parametrize("n", [0.5, True, np.ones(2, np.float32)])
def test_refuses_weights_that_do_not_count(n):
    with pytest.raises(TypeError, match="needs integer n.*mask="):
        AverageValueMeter().add([1.0, 2.0], n)


@pytest.mark.parametrize("n", [-1, 2**31])
def test_refuses_weights_out_of_range(n):
    with pytest.raises(ValueError, match=r"0 <= n < 2\*\*31, got"):
        AverageValueMeter().add(1.0, n)


def test_refuses_weights_that_do_not_fit():
    with pytest.raises(ValueError, match=r"n has shape \[3\].*\[2\]"):
        AverageValueMeter().add([1.0, 2.0], n=[1, 2, 3])


def test_a_mean_over_the_batch_takes_no_mask_of_rows():
    with pytest.raises(ValueError, match=r"mask has shape \[4\].*shape \[\]"):
        AverageValueMeter().add(0.5, mask=np.ones(4, bool))
