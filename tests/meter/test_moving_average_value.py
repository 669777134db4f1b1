import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter import MovingAverageValueMeter


def measured(meter):
    return tuple(float(number) for number in meter.value())


def test_golden_values_of_torchnet():
    # the last three of 1, 2, 4, 9 are 2, 4, 9: mean 5, squared distances 9 + 1 + 16
    meter = MovingAverageValueMeter(3)
    for value in (1.0, 2.0, 4.0, 9.0):
        meter = meter.add(value)
    assert measured(meter) == pytest.approx((5.0, math.sqrt(13.0)))


def test_the_conventions_differ_where_there_are_too_few_values():
    standard = MovingAverageValueMeter(3)
    torchnet = MovingAverageValueMeter(3, convention="torchnet")
    assert np.isnan(measured(standard)).all() and measured(torchnet) == (0.0, 0.0)
    assert measured(standard.add(7.0))[0] == 7.0
    assert math.isnan(measured(standard.add(7.0))[1])
    assert measured(torchnet.add(7.0)) == (7.0, 0.0)
    assert measured(torchnet.add([7.0, 9.0])) == measured(standard.add([7.0, 9.0]))


@pytest.mark.slow
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 12))
def test_is_numpy_on_the_last_values(seed, cut):
    rng = np.random.default_rng(seed)
    values, mask = rng.normal(size=12).astype(np.float32), rng.random(12) < 0.7
    meter = MovingAverageValueMeter(4)
    meter = meter.add(values[:cut], mask=mask[:cut]).add(values[cut:], mask=mask[cut:])
    last = values[mask][-4:].astype(np.float64)
    assert int(meter.n) == last.size
    mean, std = measured(meter)
    if last.size:
        assert mean == pytest.approx(last.mean(), rel=1e-6, abs=1e-6)
    if last.size > 1:
        assert std == pytest.approx(last.std(ddof=1), rel=1e-6, abs=1e-6)


def test_the_values_are_there_the_oldest_first():
    meter = MovingAverageValueMeter(3).add([1.0, 2.0])
    assert np.asarray(meter.values).tolist() == [0.0, 1.0, 2.0]
    assert np.asarray(meter.add([3.0, 4.0]).values).tolist() == [2.0, 3.0, 4.0]


def test_does_not_drift_and_is_stable():
    meter = MovingAverageValueMeter(8).add(1e9)
    rng = np.random.default_rng(0)
    values = (1e6 + 0.1 * rng.normal(size=64)).astype(np.float32)
    mean, std = measured(meter.add(values))
    last = values[-8:].astype(np.float64)
    assert mean == pytest.approx(last.mean(), abs=0.07)  # an ulp of 1e6
    assert std == pytest.approx(last.std(ddof=1), rel=1e-4)


@pytest.mark.parametrize("size", [2.0, "3", True, None])
def test_the_window_must_be_an_integer(size):
    with pytest.raises(TypeError, match="needs window_size to be an integer, got"):
        MovingAverageValueMeter(size)


def test_the_window_must_hold_something():
    with pytest.raises(ValueError, match="needs window_size >= 1, got 0"):
        MovingAverageValueMeter(0)


def test_the_convention_must_be_known():
    with pytest.raises(ValueError, match="'standard' or 'torchnet', got 'lua'"):
        MovingAverageValueMeter(3, convention="lua")


def test_merges_only_what_measures_the_same():
    with pytest.raises(ValueError, match="same window_size, got 3 and 4"):
        MovingAverageValueMeter(3).merge(MovingAverageValueMeter(4))
