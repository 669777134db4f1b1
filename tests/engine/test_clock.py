"""Where the time of a run goes."""

import time
from types import SimpleNamespace

import tntjax as tnt
from tntjax.engine import _watching


def test_laps_add_up(monkeypatch):
    times = iter([10.0, 12.0, 12.5, 16.5])
    monkeypatch.setattr(_watching, "time", SimpleNamespace(perf_counter=times.__next__))
    clock = _watching.Clock()
    for purpose in ("data", "hooks", "data"):
        clock.lap(purpose)
    assert clock.spent == tnt.Seconds(data=6.0, hooks=0.5)


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
    assert sum(last) <= whole
    assert all(a <= b for a, b in zip(first, last, strict=True))
