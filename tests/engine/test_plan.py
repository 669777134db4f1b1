"""Chunk lengths: they end at every stop and are few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.engine._plan import Plan, make_plan

LENGTHS = st.integers(1, 70)


@given(LENGTHS, st.lists(LENGTHS, max_size=3), st.integers(0, 500))
def test_no_chunk_passes_a_stop(longest, stops, t):
    room = Plan(longest, tuple(stops), None).room(t, 8)
    assert 1 <= room <= longest
    for n in stops:
        assert t // n == (t + room - 1) // n
    assert room == longest or (t + room) % min(stops, key=lambda n: n - t % n) == 0


@pytest.mark.parametrize(
    ("stops", "longest"),
    [((), 32), ((10,), 10), ((100,), 25), ((469,), 32), ((64, 100), 32), ((3, 5), 3)],
)
def test_auto_divides_the_shortest_distance(stops, longest):
    assert make_plan("auto", stops).longest == longest


@pytest.mark.parametrize(
    ("sample_bytes", "room"),
    [(1, 32), (2**21, 32), (2**22, 16), (2**30, 1), (0, 32)],
)
def test_auto_bounds_the_bytes(sample_bytes, room):
    assert make_plan("auto", ()).room(0, sample_bytes) == room


def test_a_number_of_steps_is_obeyed():
    assert make_plan(100, ()).room(7, 2**30) == 100
