"""Means that carry nothing else: what they measure, and how little program they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.meter import LogLossMeter, MeanAbsoluteErrorMeter, MSEMeter, NDCGMeter
from tntjax.meter.parts._sums import Mean, Total
from tools.meter_sizes import METERS, count_equations


def equations(name):
    make, arguments = METERS[name]
    traced = jax.make_jaxpr(lambda meter, *batch: meter.add(*batch))(make(), *arguments)
    return count_equations(traced.jaxpr)


@pytest.mark.parametrize("name", ["MSEMeter", "MeanAbsoluteErrorMeter", "LogLossMeter"])
def test_a_mean_is_less_than_half_of_mean_and_deviation(name):
    assert 2 * equations(name) < equations("AverageValueMeter")


def test_a_mean_of_nothing_is_nan():
    assert np.isnan(Mean().value()) and np.isnan(jax.jit(lambda m: m.value())(Mean()))


def test_several_means_have_the_same_rows():
    values = np.float32([[1, 10], [3, np.nan], [5, 50]])
    weight, mask = np.int32([2, 1, 0]), np.array([True, False, True])
    mean = Mean(Total.zeros((2,))).add(values, weight, mask)
    assert mean.value().tolist() == [1.0, 10.0] and int(mean.n) == 2


def test_a_stack_of_means_is_read_at_once():
    rows = jnp.arange(12.0).reshape(3, 4)
    for start, part in ((Mean(), rows), (Mean(Total.zeros((2,))), rows[..., None] + 1)):
        part = jnp.broadcast_to(part, (*rows.shape, *np.shape(start.total.sum)))
        means = jax.vmap(lambda row, m=start: m.add(row, np.int32(1)))(part)
        expected = np.asarray(part).mean(1)
        np.testing.assert_array_equal(jax.device_get(means).value(), expected)
        np.testing.assert_array_equal(means.value(), expected)


@pytest.mark.parametrize("make", [MeanAbsoluteErrorMeter, MSEMeter])
def test_many_small_errors_do_not_drift(make):
    meter, add = make(), jax.jit(lambda meter, batch: meter.add(batch, 0 * batch))
    batch = np.full(4, 0.25, np.float32)
    meter = meter.add(np.float32([4096.0]), np.float32([0.0]))
    for _ in range(2000):
        meter = add(meter, batch)
    power = 2 if make is MSEMeter else 1
    expected = (4096.0**power + 8000 * 0.25**power) / 8001
    assert meter.value() == pytest.approx(expected, rel=1e-9)


def test_infinite_errors_show():
    assert MeanAbsoluteErrorMeter().add([np.inf, 1.0], [0.0, 0.0]).value() == np.inf
    assert np.isnan(LogLossMeter().add([0.5, 0.5], [1, 3]).value())
    spoiled = NDCGMeter().add([np.nan, 1.0], [0.0, 1.0]).value()[1]
    assert np.isnan(spoiled)
