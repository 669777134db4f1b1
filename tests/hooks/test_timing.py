"""timing: a record for each epoch, whose parts are those of the clock."""

import time
from types import SimpleNamespace

import pytest

import tntjax as tnt
from tntjax.engine import _watching
from tntjax.hooks import Timing, timing


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still but for `nap`, so that a busy machine shows nothing."""
    monkeypatch.setattr(NOW, "seconds", 0.0)
    fake = SimpleNamespace(perf_counter=lambda: NOW.seconds)
    monkeypatch.setattr(_watching, "time", fake)


NOW = SimpleNamespace(seconds=0.0)


def nap(state):
    NOW.seconds += 0.5
    return state


def test_a_record_for_each_epoch(problem):
    records = []
    network = lambda params, input: input @ params["weight"]  # noqa: E731 compiled anew
    job = problem.job(max_epoch=3, network=network)
    begin = time.perf_counter()
    state = tnt.SGDEngine(timing(records.append)).train(**job)
    wall = time.perf_counter() - begin
    assert [record.epoch for record in records] == [1, 2, 3]
    assert [record.updates for record in records] == [7, 7, 7]
    assert [record.samples for record in records] == [53, 53, 53]
    assert all(spent >= 0 for record in records for spent in record.seconds)
    assert records[0].seconds.compile > 0
    assert records[1].seconds.compile == records[2].seconds.compile == 0
    assert 0 < sum(record.total for record in records) <= wall
    assert sum(r.total for r in records) == pytest.approx(sum(state.seconds))
    assert records[2].samples_per_second == 53 / records[2].total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slow", "naps"),
    [
        (tnt.every(3, nap), 2),
        (tnt.Hooks(on_start_epoch=nap), 1),
        (tnt.Hooks(on_start=nap), 1),
    ],
)
def test_hooks_of_the_host_count_as_hooks(problem, now, slow, naps):
    records = []
    hooks = tnt.chain(timing(records.append), slow)
    tnt.SGDEngine(hooks).train(**problem.job(max_epoch=1))
    assert records[0].seconds == tnt.Seconds(hooks=0.5 * naps)


def test_what_runs_at_the_end_of_an_epoch_counts_for_the_next(problem, now):
    records = []
    hooks = tnt.chain(tnt.Hooks(on_end_epoch=nap), timing(records.append))
    tnt.SGDEngine(hooks).train(**problem.job())
    assert [record.seconds.hooks for record in records] == [0.0, 0.5]


def test_a_second_run_begins_at_its_start(problem):
    records = []
    engine = tnt.SGDEngine(timing(records.append))
    for _ in range(2):
        engine.train(**problem.job())
    assert [(r.epoch, r.updates) for r in records] == [(1, 7), (2, 7)] * 2
    assert all(spent >= 0 for record in records for spent in record.seconds)


def test_what_it_says(problem, capsys):
    seconds = tnt.Seconds(data=0.25, compile=1.0, dispatch=0.5, device=2.0, hooks=0.25)
    assert str(Timing(3, seconds, 100, 12800)) == (
        "epoch 3: 4.00 s, data 6 %, compile 25 %, dispatch 12 %, device 50 %,"
        " hooks 6 %; 3,200 samples/s"
    )
    tnt.SGDEngine(timing(print)).train(**problem.job(max_epoch=1))
    assert capsys.readouterr().out.startswith("epoch 1: ")


def test_report_must_be_a_function():
    with pytest.raises(TypeError, match="needs a function of a record, got 'text'"):
        timing("text")
