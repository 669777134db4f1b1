"""The record of a run: what its rows hold, and that they are there once."""

import io
import json
import math
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.log._view import View


def error_pair(state):
    return state.output, state.sample["target"]


def job(problem, **changes):
    return {**problem.job(), **changes}


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_for_each_epoch(problem):
    rows = []
    tnt.SGDEngine(tnt.hooks.record(rows.append)).train(**job(problem, max_epoch=3))
    assert [(r["epoch"], r["t"], r["samples"]) for r in rows] == [
        (1, 7, 53),
        (2, 14, 106),
        (3, 21, 159),
    ]
    assert rows[0]["loss"] > rows[1]["loss"] > rows[2]["loss"]
    assert all(row["lr"] == 0.1 and row["seconds"] > 0 for row in rows)
    assert all(type(row["loss"]) is float for row in rows)


def test_the_loss_is_the_mean_of_the_epoch_of_rows_that_count(problem):
    rows, seen = [], []
    metering = tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss))
    note = tnt.Hooks(
        on_end_epoch=lambda s: (seen.append(s.meters["loss"].value().mean), s)[1]
    )
    hooks = tnt.chain(metering, tnt.hooks.record(rows.append), note)
    iterator = problem.iterator(policy="pad-last")
    tnt.SGDEngine(hooks).train(**job(problem, iterator=iterator))
    assert [row["loss"] for row in rows] == pytest.approx(seen)


def test_the_rate_is_that_of_the_epoch_whatever_is_chained_before(problem):
    def halve(state):
        return state.replace(lr=state.lr / 2)

    hooks = tnt.chain(tnt.Hooks(on_end_epoch=halve), tnt.hooks.record())
    state = tnt.SGDEngine(hooks).train(**job(problem, max_epoch=3))
    assert state.history["lr"] == [0.1, 0.05, 0.025]

    plateau = tnt.hooks.plateau(lambda state: 1.0, factor=0.5, patience=1)
    optimizer = optax.inject_hyperparams(optax.sgd)(0.1)
    own = {n: value for n, value in job(problem, max_epoch=4).items() if n != "lr"}
    state = tnt.OptimEngine(tnt.chain(plateau, tnt.hooks.record())).train(
        **own, optimizer=optimizer
    )
    assert state.history["lr"] == [0.1, 0.1, 0.05, 0.025]


def test_a_row_for_updates_too(problem):
    rows = []
    hooks = tnt.hooks.record(rows.append, every=3)
    tnt.SGDEngine(hooks).train(**job(problem))
    assert [(r["epoch"], r["t"]) for r in rows] == [
        (0, 3),
        (0, 6),
        (1, 7),
        (1, 9),
        (1, 12),
        (2, 14),
    ]
    assert ["seconds" in row for row in rows] == [False, False, True] * 2


def test_meters_and_scores(problem):
    rows = []
    metering = tnt.hooks.metering(
        error=(tnt.ClassErrorMeter(), error_pair),
        confusion=(tnt.ConfusionMeter(3), error_pair),
        mean=(tnt.AverageValueMeter(), lambda s: s.loss),
    )
    validate = tnt.hooks.validate(
        tnt.SGDEngine(metering),
        problem.iterator(),
        score=lambda s: s.meters["error"].value()[1],
        every=2,
    )
    hooks = tnt.chain(metering, validate, tnt.hooks.record(rows.append))
    tnt.SGDEngine(hooks).train(**job(problem))
    assert set(rows[0]) >= {"error", "mean.mean", "mean.std"}
    assert "validate" not in rows[0] and 0 <= rows[1]["validate"] <= 100
    assert rows[1]["mean.mean"] == pytest.approx(rows[1]["loss"])


@pytest.mark.parametrize("jit", [True, False])
def test_a_step_of_ones_own(problem, jit):
    rows = []

    def step(state, sample):
        return state.replace(loss=jnp.float32(state.t))

    def silent(state, sample):
        return state

    given = {"iterator": problem.iterator(), "params": (), "max_epoch": 1, "jit": jit}
    for own in (step, silent):
        tnt.StepEngine(own, tnt.hooks.record(rows.append)).train(**given)
    assert rows[0]["loss"] == 3 and math.isnan(rows[1]["loss"])
    assert "lr" not in rows[0]


@pytest.mark.parametrize("mask", [np.ones(2, np.float32), np.ones((2, 3), bool)])
def test_a_mask_of_another_form_is_a_field_of_the_step(mask):
    rows = []

    def step(state, sample):
        return state.replace(loss=sample["x"])

    sample = {"x": np.array([1.0, 3.0], np.float32), "mask": mask}
    tnt.StepEngine(step, tnt.hooks.record(rows.append)).train(
        iterator=tnt.DatasetIterator([sample] * 2), params=(), max_epoch=1
    )
    assert rows[0]["loss"] == 2 and rows[0]["samples"] == 4


def test_many_members(problem, tmp_path):
    params = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), problem.params)
    path = tmp_path / "rows.jsonl"
    tnt.SGDEngine(tnt.hooks.record(path)).train(
        **job(problem, params=params, lr=np.array([0.1, 0.2]), members=2)
    )
    rows = read(path)
    assert [len(row["loss"]) for row in rows] == [2, 2]
    assert rows[0]["loss"][0] != rows[0]["loss"][1] and rows[0]["t"] == 7
    assert rows[0]["lr"] == [0.1, 0.2]  # and not 0.10000000149


def test_a_file_has_lines_of_json(problem, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("of another run\n")
    tnt.SGDEngine(tnt.hooks.record(path, every=5)).train(**job(problem))
    assert [row["t"] for row in read(path)] == [5, 7, 10, 14]


def test_a_log_is_set_and_flushed(problem):
    kept = tnt.log.history(["epoch", "loss", "unknown"])
    log = tnt.Log(["epoch", "loss", "unknown"], on_flush=[kept])
    tnt.SGDEngine(tnt.hooks.record(log)).train(**job(problem))
    columns = kept.columns()
    assert columns["epoch"] == [1, 2] and columns["unknown"] == [None, None]
    assert columns["loss"][0] > columns["loss"][1]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(3, marks=pytest.mark.slow),
        9,
        pytest.param(7, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_goes_on_has_each_row_once(problem, tmp_path, steps):
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"

    def engine(path):
        return tnt.SGDEngine(tnt.hooks.record(path, every=2))

    engine(whole).train(**job(problem))
    stopped = tnt.chain(tnt.hooks.record(parts, every=2), stop_after(steps + 2, steps))
    with pytest.raises(Stopped) as caught:
        tnt.SGDEngine(stopped).train(**job(problem))
    given = job(problem)
    for name in ("params", "lr"):
        del given[name]
    with parts.open("a") as file:
        file.write('{"epoch": 0, "t"')  # killed while it was written
    engine(parts).train(**given, state=caught.value.kept)
    assert len(read(parts)) == len(read(whole))
    for one, other in zip(read(parts), read(whole), strict=True):
        for name in ("epoch", "t", "samples", "loss", "lr"):
            assert one[name] == pytest.approx(other[name])


@pytest.mark.parametrize("in_a_log", [False, True])
def test_a_tracker_is_told_what_a_run_goes_on_from(problem, in_a_log):
    steps = []
    view = View("tracker", "list", lambda t, _: steps.append(t), steps.append, "t")
    log = tnt.Log(["t", "loss"], on_flush=[view, print])
    engine = tnt.SGDEngine(tnt.hooks.record(log if in_a_log else view))
    state = engine.train(**job(problem, max_epoch=1))
    given = job(problem)
    for name in ("params", "lr"):
        del given[name]
    engine.train(**given, state=state)
    assert steps == [0, 7, 8, 14]
    del given["max_epoch"]
    engine.test(**given, params=problem.params)
    assert steps == [0, 7, 8, 14]


class Stopped(Exception):
    """Ends a run some updates after the State that it carries."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept


def test_a_tracker_is_told_how_a_run_ends(problem):
    ended = []

    def ignore(*_):
        return None

    def fail(state):
        raise ArithmeticError

    view = View("list", "here", ignore, ignore, "t", ended.append)
    hooks = tnt.hooks.record(view)
    failing = tnt.chain(hooks, tnt.Hooks(on_end_epoch=fail))
    with pytest.raises(ArithmeticError):
        tnt.SGDEngine(failing).train(**job(problem))
    try:
        raise KeyError
    except KeyError:  # which is not one of the run
        tnt.SGDEngine(hooks).train(**job(problem))
    assert ended == [True, False]
    given = job(problem)
    for name in ("lr", "max_epoch"):
        del given[name]
    tnt.SGDEngine(hooks).test(**given)
    assert ended == [True, False]


def stop_after(last, kept_at):
    kept = {}

    def look(state):
        if state.t == kept_at:
            kept["state"] = jax.tree.map(jnp.copy, state)
        if state.t == last:
            raise Stopped(kept["state"])
        return state

    return tnt.every(1, look)


def test_of_several_processes_the_first_alone_writes(problem, tmp_path, monkeypatch):
    path, rows, told = tmp_path / "run.csv", [], []
    log = tnt.log.Log(["t"], on_flush=[lambda log: told.append(log.get("t"))])
    places = (path, rows.append, log)
    hooks = tnt.chain(*(tnt.hooks.record(place) for place in places))
    tnt.SGDEngine(hooks).train(**job(problem))
    written = path.read_bytes()
    assert len(rows) == len(told) == len(written.splitlines()) - 1 == 2
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    state = tnt.SGDEngine(hooks).train(**job(problem))
    assert state.history["t"] == [7, 14]
    assert path.read_bytes() == written
    assert len(rows) == len(told) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk_is_told_of_once(problem, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.symlink_to("/dev/full")
    hooks = tnt.hooks.record(path, every=2)
    with pytest.warns(RuntimeWarning, match="misses rows, as it could not be") as seen:
        state = tnt.SGDEngine(hooks).train(**job(problem))
    assert state.t == 14
    assert sum("misses rows" in str(warning.message) for warning in seen) == 1


def test_is_quiet_in_a_test(problem):
    rows = []
    given = job(problem)
    for name in ("lr", "max_epoch"):
        del given[name]
    state = tnt.SGDEngine(tnt.hooks.record(rows.append)).test(**given)
    assert not rows and not state.history
    assert state.meters.keys() == {"mean_loss"}


def test_arguments_are_checked(problem):
    for where in (5, list, ["rows.jsonl"]):
        with pytest.raises(TypeError, match="record takes a file's name, a Log or"):
            tnt.hooks.record(where)
    with pytest.raises(ValueError, match="record: every must be at least 1"):
        tnt.hooks.record(print, every=0)
    for name in ("run.html", "run.jsonl.gz"):
        with pytest.raises(ValueError, match="Let it end in .json or .jsonl"):
            tnt.hooks.record(name)


def test_nothing_is_compiled_anew(problem, tmp_path):
    traced = []

    def network_(params, input):
        traced.append(input.shape)
        return network(params, input)

    for where in ([].append, print, tmp_path / "one.jsonl", tmp_path / "two.jsonl"):
        hooks = tnt.hooks.record(where)
        tnt.SGDEngine(hooks).train(
            **job(problem, network=network_, criterion=criterion)
        )
    assert len(traced) == 2


@pytest.mark.parametrize("view", [tnt.log.text, tnt.log.json, tnt.log.csv])
def test_a_view_of_a_log_takes_rows_as_well(problem, view):
    file = io.StringIO()
    hooks = tnt.hooks.record(view(["epoch", "t"], file=file))
    tnt.SGDEngine(hooks).train(**problem.job())
    rows = {
        "text": "epoch 1 | t 7\nepoch 2 | t 14\n",
        "json": '{"epoch": 1, "t": 7}\n{"epoch": 2, "t": 14}\n',
        "csv": "epoch,t\n1,7\n2,14\n",
    }
    assert file.getvalue() == rows[view.__name__]
