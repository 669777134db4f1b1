"""Chunk lengths: they end at every stop and are few."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.engine._hooks import Scheduled
from tntjax.engine._plan import Plan, Steps, make_plan

LENGTHS = st.integers(1, 70)

plan_on_cpu = partial(make_plan, accelerated=False)


def stops_at(*numbers, steps=()):
    return tuple(Scheduled("every", n, print) for n in numbers) + tuple(
        Scheduled("every", None, print, (step,)) for step in steps
    )


def watches(*numbers):
    return tuple(Scheduled("watch", n, print) for n in numbers)


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
    assert plan_on_cpu("auto", stops_at(*stops)).longest == longest


@pytest.mark.parametrize(
    ("sample_bytes", "room"),
    [(1, 32), (2**21, 32), (2**22, 16), (2**30, 1), (0, 32)],
)
def test_auto_bounds_the_bytes(sample_bytes, room):
    assert plan_on_cpu("auto", ()).room(0, sample_bytes) == room


def test_calls_on_an_accelerator_are_longer_but_send_less():
    plan = make_plan("auto", (), accelerated=True)
    assert [plan.room(0, size) for size in (4, 2**17, 2**24)] == [128, 64, 1]
    assert make_plan("auto", watches(10), accelerated=True).longest == 40
    assert make_plan("auto", stops_at(300), accelerated=True).longest == 100


@pytest.mark.parametrize(
    ("count", "exact", "steps"),
    [
        (7, False, Steps(7, 30, True, 10, True)),
        (7, True, Steps(7, 7, False, None, True)),
        (14, False, Steps(14, 30, True, 10, True)),
        (14, True, Steps(14, 14, False, 10, True)),
        (1, True, Steps(1, 1)),
    ],
)
def test_the_rest_of_an_epoch_is_not_padded(count, exact, steps):
    assert plan_on_cpu("auto", watches(10)).steps(count, 4, exact) == steps


@pytest.mark.parametrize(
    ("steps_per_call", "sample_bytes", "length"),
    [("auto", 2**21, 32), ("auto", 2**22, 16), (10**9, 4, 7), (100, 2**20, 7)],
)
def test_a_rest_is_padded_to_what_memory_bears(steps_per_call, sample_bytes, length):
    steps = plan_on_cpu(steps_per_call, ()).steps(7, sample_bytes)
    assert (steps.count, steps.length) == (7, length)


def test_a_number_of_steps_is_obeyed():
    assert make_plan(100, ()).room(7, 2**30) == 100
    assert make_plan(100, ()).room(7, 4, 130) == 100


@pytest.mark.parametrize(
    ("epoch_length", "most"),
    [(600, 30), (469, 26), (64, 32), (33, 32), (32, 32), (20, 20), (3, 3), (1, 1)]
    + [(0, 1), (62, 31), (37, 18), (1_000_003, 32)],
)
def test_calls_divide_an_epoch(epoch_length, most):
    plan = plan_on_cpu("auto", ())
    assert plan.room(0, 4, epoch_length) == most
    rest = plan.steps(epoch_length % most or most, 4, epoch_length=epoch_length)
    assert rest.length in (1, most)


@pytest.mark.parametrize("scheduled", [stops_at(25), watches(10)])
def test_calls_end_at_stops_and_not_where_an_epoch_would_have_them(scheduled):
    plan = plan_on_cpu("auto", scheduled)
    assert plan.room(0, 4, 28) == plan.room(0, 4)


def test_a_single_update_is_a_stop_once():
    plan = make_plan(8, stops_at(10, steps=(13,)))
    assert [plan.room(t, 0) for t in (8, 10, 13, 20)] == [2, 3, 7, 8]
    assert plan_on_cpu("auto", stops_at(steps=(3,))).longest == 32


def test_what_is_due():
    once = Scheduled("save", None, print, (3, 5))
    assert [t for t in range(7) if once.is_due(t)] == [3, 5]
    both = Scheduled("every", 4, print, (6,))
    assert [t for t in range(1, 9) if both.is_due(t)] == [4, 6, 8]


@pytest.mark.parametrize(
    ("scheduled", "steps_per_call", "longest", "keep_every"),
    [
        (watches(10), "auto", 30, 10),
        (watches(8), "auto", 32, 8),
        (watches(16), "auto", 32, 16),
        (watches(17), "auto", 17, None),
        (watches(100), "auto", 25, None),
        (watches(1), "auto", 4, 1),
        (watches(4, 6), "auto", 8, 2),
        (watches(10) + stops_at(100), "auto", 20, 10),
        (watches(10) + stops_at(25), "auto", 20, 10),
        (watches(10) + stops_at(5), "auto", 5, None),
        (watches(10), 20, 20, 10),
        (watches(10), 25, 25, None),
        (watches(10), 50, 50, None),
        (watches(10), 10, 10, None),
    ],
)
def test_a_call_keeps_what_watches_see(scheduled, steps_per_call, longest, keep_every):
    plan = plan_on_cpu(steps_per_call, scheduled)
    assert (plan.longest, plan.keep_every) == (longest, keep_every)
    stops = [s for s in scheduled if s.kind != "watch" or keep_every is None]
    assert plan.stops == tuple(stops)


@given(st.integers(1, 20), st.integers(0, 500), st.sampled_from([1, 2**22, 2**24]))
def test_a_chunk_starts_or_ends_where_a_watch_looks(n, t, sample_bytes):
    plan = make_plan("auto", watches(n))
    room = plan.room(t, sample_bytes)
    assert 1 <= room <= plan.usual(sample_bytes)
    if t // n != (t + room - 1) // n:  # it passes one
        assert plan.keep_every == n
        assert t % n == room % n == 0
        assert room // n <= 4
