import dataclasses
import math
import pickle
import time

import numpy as np
import pytest

from tntjax._types import Meter
from tntjax.meter import TimeMeter


class Clock:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_measures_from_its_making(clock):
    meter = TimeMeter(clock=clock)
    clock.now += 2.5
    assert meter.value() == 2.5
    clock.now += 1
    assert meter.value() == 3.5


def test_reads_the_real_clock():
    before = time.perf_counter()
    meter = TimeMeter()
    time.sleep(0.01)
    assert 0.01 <= meter.value() <= time.perf_counter() - before


def test_time_per_unit(clock):
    meter = TimeMeter(unit=True, clock=clock)
    clock.now += 6
    assert meter.value() == math.inf
    assert meter.add().add(2).value() == 2.0


def test_units_do_not_count_without_unit(clock):
    meter = TimeMeter(clock=clock).add(3)
    clock.now += 6
    assert meter.value() == 6.0


def test_a_stopped_time_stands_still(clock):
    meter = TimeMeter(clock=clock)
    clock.now += 1
    stopped = meter.stop()
    clock.now += 10
    assert stopped.value() == 1.0
    assert meter.value() == 11.0  # the meter before is another value
    resumed = stopped.resume()
    clock.now += 2
    assert resumed.value() == 3.0


def test_stop_and_resume_twice_are_once(clock):
    meter = TimeMeter(clock=clock)
    assert meter.resume() is meter
    stopped = meter.stop()
    clock.now += 5
    assert stopped.stop() is stopped


def test_reset_runs_on(clock):
    meter = TimeMeter(clock=clock).add(2)
    clock.now += 5
    meter = meter.reset()
    clock.now += 1
    assert meter.value() == 1.0 and meter.n == 0


def test_reset_of_a_stopped_one_stays_stopped(clock):
    meter = TimeMeter(clock=clock)
    clock.now += 5
    meter = meter.stop().reset()
    clock.now += 1
    assert meter.value() == 0.0
    meter = meter.resume()
    clock.now += 2
    assert meter.value() == 2.0


def test_reset_is_the_identity_of_merge(clock):
    meter = TimeMeter(unit=True, clock=clock).add(2)
    clock.now += 5
    assert meter.merge(meter.reset()).value() == meter.value()
    assert meter.reset().merge(meter).value() == meter.value()
    stopped = meter.stop()
    assert stopped.merge(stopped.reset()).value() == stopped.value()


def test_merge_adds_time_and_units(clock):
    first = TimeMeter(unit=True, clock=clock).add(1)
    clock.now += 4
    first = first.stop()
    second = TimeMeter(unit=True, clock=clock).add(2)
    clock.now += 5
    assert first.merge(second).value() == 3.0
    assert second.merge(first).value() == 3.0


def test_a_merged_one_runs_if_the_first_does(clock):
    running = TimeMeter(clock=clock)
    stopped = running.stop()
    clock.now += 1
    both, neither = running.merge(stopped), stopped.merge(running)
    clock.now += 1
    assert both.value() == 2.0
    assert neither.value() == 1.0


def test_merge_is_associative(clock):
    meters = []
    for seconds in (1, 2, 4):
        meter = TimeMeter(clock=clock)
        clock.now += seconds
        meters.append(meter.stop().add(seconds))
    a, b, c = meters
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    assert left.value() == right.value() == 7.0
    assert left.n == right.n == 7


def test_merge_refuses_what_is_no_time_meter():
    with pytest.raises(TypeError, match="needs another TimeMeter, got 3"):
        TimeMeter().merge(3)


def test_merge_refuses_another_unit():
    with pytest.raises(ValueError, match="the same unit, got False and True"):
        TimeMeter().merge(TimeMeter(unit=True))


def test_add_refuses_less_than_nothing():
    with pytest.raises(ValueError, match="n >= 0, got -1"):
        TimeMeter().add(-1)
    with pytest.raises(TypeError, match=r"TimeMeter.add needs integer n, .* got 0\.5"):
        TimeMeter().add(0.5)


def test_is_a_frozen_meter(clock):
    meter = TimeMeter(clock=clock)
    assert isinstance(meter, Meter)
    with pytest.raises(dataclasses.FrozenInstanceError):
        meter.n = 3
    assert meter == TimeMeter(clock=clock)


def test_survives_pickle():
    meter = TimeMeter(unit=True).add(3).stop()
    assert pickle.loads(pickle.dumps(meter)) == meter


def test_repr_shows_the_value(clock):
    meter = TimeMeter(clock=clock)
    clock.now += 1.5
    assert repr(meter) == "TimeMeter(1.5 s, n=0, running)"
    meter = TimeMeter(unit=True, clock=clock).add(4)
    clock.now += 1
    assert repr(meter.stop()) == "TimeMeter(0.25 s per unit, n=4, stopped)"


def test_a_clock_of_numpy_measures_in_plain_seconds():
    readings = iter(np.array([1.0, 3.5], np.float32))
    assert type(TimeMeter(clock=lambda: next(readings)).value()) is float
