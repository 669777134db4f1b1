import math
import pickle

import pytest

from tntjax._types import Meter
from tntjax.meter import RateMeter, TimeMeter


class Clock:
    """A clock that a test turns."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def make(clock, **options):
    return RateMeter(TimeMeter(clock=clock, **options))


def test_is_units_a_second(clock):
    meter = make(clock).add(100)
    clock.now += 4
    assert meter.value() == 25.0
    assert make(clock).add(3).value() == math.inf
    assert make(clock).value() == 0.0


def test_the_unit_of_its_time_does_not_matter(clock):
    meter = make(clock, unit=True).add(100)
    clock.now += 4
    assert meter.value() == 25.0


def test_stands_still_while_stopped(clock):
    meter = make(clock).add(8)
    clock.now += 2
    meter = meter.stop()
    clock.now += 9
    assert meter.value() == 4.0
    meter = meter.resume()
    clock.now += 2
    assert meter.value() == 2.0


def test_is_a_monoid(clock):
    first = make(clock).add(8)
    clock.now += 2
    first = first.stop()
    second = make(clock).add(2)
    clock.now += 3
    second = second.stop()
    assert first.merge(second).value() == second.merge(first).value() == 2.0
    assert first.merge(first.reset()).value() == first.value()
    assert first.reset().merge(first).value() == first.value()
    with pytest.raises(TypeError, match="RateMeter.merge needs another RateMeter"):
        first.merge(TimeMeter())


def test_add_refuses_less_than_nothing(clock):
    with pytest.raises(ValueError, match="n >= 0, got -1"):
        make(clock).add(-1)


def test_is_a_meter_that_shows_its_value(clock):
    meter = make(clock).add(6)
    clock.now += 3
    assert isinstance(meter, Meter)
    assert repr(meter) == "RateMeter(2 per s, n=6, running)"
    assert repr(meter.stop()) == "RateMeter(2 per s, n=6, stopped)"
    assert pickle.loads(pickle.dumps(RateMeter().add(3))).n == 3
