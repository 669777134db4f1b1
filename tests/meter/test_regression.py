"""The meters of errors: mean squared, mean absolute, R2, correlation."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from tntjax.meter import (
    AverageValueMeter,
    CorrelationMeter,
    MeanAbsoluteErrorMeter,
    MSEMeter,
    R2Meter,
)
from tntjax.meter.parts._count import Count

METERS = [CorrelationMeter, MeanAbsoluteErrorMeter, MSEMeter, R2Meter]
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, size=24):
    rng = np.random.default_rng(seed)
    target = rng.normal(rng.normal(0, 3), 1 + rng.random(), size)
    output = rng.normal() * target + rng.normal(size=size)
    weight, mask = rng.integers(0, 3, size), rng.random(size) < 0.8
    weight[0], weight[1], mask[0], mask[1] = 1, 2, True, True
    return output.astype(np.float32), target.astype(np.float32), weight, mask


def added(make, seed):
    """A meter fed in two batches, and what an oracle takes."""
    output, target, weight, mask = drawn(seed)
    meter = make()
    for part in (slice(9), slice(9, None)):
        batch = output[part], target[part], weight[part]
        meter = meter.add(*batch, mask=mask[part])
    kept = [part[mask].astype(np.float64) for part in (output, target, weight)]
    return meter, *kept


@pytest.mark.slow
@settings(max_examples=30)
@given(seed=seeds)
@pytest.mark.parametrize(
    ("make", "oracle"),
    [
        (MSEMeter, metrics.mean_squared_error),
        (lambda: MSEMeter(root=True), metrics.root_mean_squared_error),
        (MeanAbsoluteErrorMeter, metrics.mean_absolute_error),
        (R2Meter, metrics.r2_score),
    ],
)
def test_is_scikit_learn(make, oracle, seed):
    meter, output, target, weight = added(make, seed)
    expected = oracle(target, output, sample_weight=weight)
    assert float(meter.value()) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert int(meter.n) == weight.sum()


@pytest.mark.slow
@settings(max_examples=30)
@given(seed=seeds)
def test_correlation_is_scipy(seed):
    meter, output, target, weight = added(CorrelationMeter, seed)
    output, target = (np.repeat(part, weight.astype(int)) for part in (output, target))
    pearson, covariance = meter.value()
    expected = stats.pearsonr(output, target).statistic
    assert float(pearson) == pytest.approx(expected, abs=1e-6)
    expected = np.cov(output, target)[0, 1]
    assert float(covariance) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_golden_values_of_torchnet():
    meter = MSEMeter().add([1.0, 2.0], [3.0, 2.0]).add([0.0], [2.0])
    assert float(meter.value()) == pytest.approx(8 / 3)
    root = MSEMeter(root=True).add([1.0, 2.0], [3.0, 2.0])
    assert float(root.value()) == pytest.approx(np.sqrt(2.0))


def test_the_conventions_differ_on_nothing():
    assert np.isnan(MSEMeter().value())
    assert float(MSEMeter(convention="torchnet").value()) == 0.0
    assert float(MSEMeter(True, convention="torchnet").add(1.0, 3.0).value()) == 2.0
    with pytest.raises(ValueError, match="MSEMeter needs convention"):
        MSEMeter(convention="sklearn")


@pytest.mark.slow
@pytest.mark.parametrize("make", [R2Meter, CorrelationMeter])
def test_is_stable_for_large_values_of_small_spread(make):
    rng = np.random.default_rng(0)
    target = (1e6 + 0.1 * rng.normal(size=4096)).astype(np.float32)
    output = (target + 0.1 * rng.normal(size=4096)).astype(np.float32)
    meter = make()
    for part in np.split(np.arange(4096), 16):
        meter = meter.add(output[part], target[part])
    wide = output.astype(np.float64), target.astype(np.float64)
    if make is R2Meter:
        expected, found = metrics.r2_score(wide[1], wide[0]), meter.value()
    else:
        expected, found = np.corrcoef(*wide)[0, 1], meter.value().pearson
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_r2_of_what_never_changes():
    assert float(R2Meter().add([3.0, 3.0], [3.0, 3.0]).value()) == 1.0
    assert float(R2Meter().add([3.0, 4.0], [3.0, 3.0]).value()) == 0.0
    assert np.isnan(R2Meter().add([3.0, np.nan], [3.0, 3.0]).value())
    assert np.isnan(R2Meter().add(3.0, 3.0).value())


def test_correlation_of_what_never_changes_is_nan():
    value = CorrelationMeter().add([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]).value()
    assert np.isnan(value.pearson) and float(value.covariance) == 0.0


def test_correlation_merges_far_apart_parts():
    low = CorrelationMeter().add([0.0, 1.0], [5.0, 4.0])
    high = CorrelationMeter().add([10.0, 11.0], [-5.0, -6.0])
    expected = np.corrcoef([0, 1, 10, 11], [5, 4, -5, -6])[0, 1]
    assert float(low.merge(high).value().pearson) == pytest.approx(expected)


@pytest.mark.parametrize("make", METERS)
def test_shapes_must_agree(make):
    with pytest.raises(ValueError, match=r"of one shape, got output float32\[3\] and"):
        make().add(np.zeros(3), np.zeros((3, 1)))


@pytest.mark.parametrize("make", METERS)
def test_numbers_must_be_real(make):
    with pytest.raises(TypeError, match=r"\.add needs real numbers, got complex64"):
        make().add(jax.numpy.ones(2, "complex64"), np.zeros(2))


@pytest.mark.parametrize("make", METERS)
def test_weights_are_named_as_the_callers(make):
    with pytest.raises(TypeError, match=rf"{make.__name__}\.add needs integer n"):
        make().add(np.zeros(2), np.zeros(2), 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 4])
def test_correlation_and_r2_keep_their_digits_over_many_adds(size):
    rng = np.random.default_rng(0)
    output = rng.normal(size=(80_000 // size, size)).astype(np.float32)
    target = (output + rng.normal(size=output.shape)).astype(np.float32)

    @jax.jit
    def total(output, target):
        def add(meters, pair):
            return tuple(meter.add(*pair) for meter in meters), None

        return jax.lax.scan(add, (CorrelationMeter(), R2Meter()), (output, target))[0]

    correlation, r2 = total(output, target)
    wide = output.ravel().astype(np.float64), target.ravel().astype(np.float64)
    (_, covariance), (_, _) = np.cov(*wide)
    pearson = np.corrcoef(*wide)[0, 1]
    assert correlation.value().pearson == pytest.approx(pearson, abs=1e-8)
    assert correlation.value().covariance == pytest.approx(covariance, rel=1e-8)
    assert r2.value() == pytest.approx(metrics.r2_score(wide[1], wide[0]), abs=1e-8)


def test_products_do_not_stick_beside_many():
    """float32 alone would stop to grow at 2**24, where adding 1 changes nothing."""
    many = Count.of(2**24)
    moments = AverageValueMeter(n=many, m2=np.float32(2**24))
    meter = CorrelationMeter(moments, moments, np.float32(2**24))
    signs = np.where(np.arange(2**16) % 2, 1, -1).astype(np.float32)
    add = lambda meter, value: (meter.add(value, value), None)  # noqa: E731
    scan = jax.jit(lambda m, values: jax.lax.scan(add, m, values)[0])
    pearson, covariance = scan(meter, signs).value()
    assert pearson == pytest.approx(1, abs=1e-7)
    assert covariance == pytest.approx(1, rel=1e-7)


PLACES = [np.inf, -np.inf, np.nan]


@pytest.mark.slow
@pytest.mark.parametrize("bad", PLACES)
@pytest.mark.parametrize("make", METERS)
def test_what_is_not_finite_shows_whatever_comes_before_or_behind(make, bad):
    good, other = ([1.0, 2.0, 4.0], [2.0, 2.5, 3.0]), ([bad, 1.0], [1.0, 2.0])
    together = make().add(*map(np.concatenate, zip(good, other, strict=True)))
    expected = jax.tree.leaves(together.value())
    assert not any(map(np.isfinite, expected))
    parts = make().add(*good), make().add(*other)
    hosted = jax.device_get(parts)
    for meter in (
        parts[0].add(*other),
        parts[1].add(*good),
        parts[0].merge(parts[1]),
        parts[1].merge(parts[0]),
        hosted[0].merge(hosted[1]),
        hosted[1].merge(hosted[0]),
    ):
        np.testing.assert_array_equal(jax.tree.leaves(meter.value()), expected)


@pytest.mark.parametrize("make", METERS)
def test_masked_pairs_may_be_infinite(make):
    meter = make().add([1.0, 2.0, 4.0], [2.0, 2.5, 3.0])
    masked = meter.add([np.inf, 5.0], [1.0, np.inf], mask=[False, False])
    assert masked.value() == meter.value()


def test_what_is_too_large_or_small_for_squares_is_as_documented():
    large, small = np.array([1e30, 2e30, 4e30]), np.array([1e-20, 2e-20, 4e-20])
    mean, std = AverageValueMeter().add(large).value()
    assert mean == pytest.approx(7e30 / 3) and std == np.inf
    assert np.isnan(CorrelationMeter().add(large, 2 * large).value().pearson)
    assert np.isnan(R2Meter().add(large, 2 * large).value())
    mean, std = AverageValueMeter().add(small).value()
    assert mean == pytest.approx(7e-20 / 3) and std == 0.0
    assert np.isnan(CorrelationMeter().add(small, 2 * small).value().pearson)
