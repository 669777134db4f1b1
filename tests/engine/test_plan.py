"""Chunk lengths: they end at every stop and are few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.engine._hooks import Scheduled
from tntjax.engine._plan import Plan, make_plan

LENGTHS = st.integers(1, 70)


def stops_at(*numbers, steps=()):
    return tuple(Scheduled("every", n, print) for n in numbers) + tuple(
        Scheduled("every", None, print, (step,)) for step in steps
    )


@given(LENGTHS, st.lists(LENGTHS, max_size=3), st.integers(0, 500))
def test_no_chunk_passes_a_stop(longest, stops, t):
    room = Plan(longest, stops_at(*stops), None).room(t, 8)
    assert 1 <= room <= longest
    for n in stops:
        assert t // n == (t + room - 1) // n
    assert room == longest or (t + room) % min(stops, key=lambda n: n - t % n) == 0


@pytest.mark.parametrize(
    ("stops", "longest"),
    [((), 32), ((10,), 10), ((100,), 25), ((469,), 32), ((64, 100), 32), ((3, 5), 3)],
)
def test_auto_divides_the_shortest_distance(stops, longest):
    assert make_plan("auto", stops_at(*stops)).longest == longest


@pytest.mark.parametrize(
    ("sample_bytes", "room"),
    [(1, 32), (2**21, 32), (2**22, 16), (2**30, 1), (0, 32)],
)
def test_auto_bounds_the_bytes(sample_bytes, room):
    assert make_plan("auto", ()).room(0, sample_bytes) == room


def test_a_number_of_steps_is_obeyed():
    assert make_plan(100, ()).room(7, 2**30) == 100


def test_a_single_update_is_a_stop_once():
    plan = make_plan(8, stops_at(10, steps=(13,)))
    assert [plan.room(t, 0) for t in (8, 10, 13, 20)] == [2, 3, 7, 8]
    assert make_plan("auto", stops_at(steps=(3,))).longest == 32


def test_what_is_due():
    once = Scheduled("save", None, print, (3, 5))
    assert [t for t in range(7) if once.is_due(t)] == [3, 5]
    both = Scheduled("every", 4, print, (6,))
    assert [t for t in range(1, 9) if both.is_due(t)] == [4, 6, 8]
