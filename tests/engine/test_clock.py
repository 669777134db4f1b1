"""Where the time of a run goes."""

import time

import pytest

import tntjax as tnt
from tntjax.engine._clock import Clock


def test_laps_add_up():
    clock = Clock()
    start = time.perf_counter()
    time.sleep(0.02)
    clock.lap("data")
    clock.lap("hooks")
    time.sleep(0.01)
    clock.lap("data")
    whole = time.perf_counter() - start
    assert sum(clock.spent) == pytest.approx(whole, rel=0.2)
    assert 0.03 <= clock.spent.data <= whole
    assert clock.spent.compile == clock.spent.device == 0


def test_hooks_see_where_the_time_went(problem):
    seen = []

    def note(state):
        time.sleep(0.05)
        seen.append(state.seconds)
        return state

    data = problem.data

    def load(index):
        time.sleep(0.001)
        return {"input": data["input"][index], "target": data["target"][index]}

    start = time.perf_counter()
    iterator = problem.over(tnt.ListDataset(range(53), load))
    hooks = tnt.chain(tnt.Hooks(on_end_epoch=note), tnt.every(3, note))
    state = tnt.SGDEngine(hooks).train(**problem.job(iterator=iterator))
    whole = time.perf_counter() - start
    first, last = seen[0], state.seconds
    assert last.hooks - first.hooks >= 0.05
    assert last.data >= 2 * 53 * 0.001
    assert last.compile > 0
    assert sum(last) <= whole + 0.01
    assert all(a <= b for a, b in zip(first, last, strict=True))
