"""A record in a table: each row once, in columns that become more."""

import csv
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt


def job(problem, **changes):
    return {**problem.job(), **changes}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def validate(problem):
    return tnt.hooks.validate(problem.iterator(), score=lambda s: float(s.t))


def test_it_is_the_history(problem, tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("of another run\n")
    record = tnt.hooks.record(path, every=3)
    hooks = tnt.chain(tnt.hooks.metering("accuracy"), validate(problem), record)
    tnt.SGDEngine(record).train(**job(problem))  # with fewer columns
    state = tnt.SGDEngine(hooks).train(**job(problem))
    rows = read(path)
    assert list(rows[0]) == list(state.history)
    for name, values in state.history.items():
        written = [row[name] for row in rows]
        assert written == ["" if value is None else str(value) for value in values]
    assert len(rows) == 6 and not list(tmp_path.glob("*.part"))


def test_pandas_reads_it(problem, tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "run.tsv"
    record = tnt.hooks.record(path, every=3)
    state = tnt.SGDEngine(record).train(**job(problem))
    table = pandas.read_csv(path, sep="\t")
    expected = pandas.DataFrame(state.history)
    pandas.testing.assert_frame_equal(table, expected, check_dtype=False)


def test_members_have_a_column_each(problem, tmp_path):
    params = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), problem.params)
    path, rates = tmp_path / "run.csv", np.array([0.1, 0.2])
    how = {"params": params, "lr": rates, "members": 2}
    state = tnt.SGDEngine(tnt.hooks.record(path)).train(**job(problem, **how))
    rows = read(path)
    assert [row["lr.1"] for row in rows] == ["0.2", "0.2"]
    losses = [[float(row["loss.0"]), float(row["loss.1"])] for row in rows]
    np.testing.assert_array_equal(losses, np.stack(state.history["loss"]))


class Stopped(Exception):
    """Ends a run."""


def stop_after(last, kept_at, kept):
    def look(state):
        if state.t == kept_at:
            kept.append(jax.tree.map(jnp.copy, state))
        if state.t == last:
            raise Stopped
        return state

    return tnt.every(1, look)


TORN = ["", "9", '9,70,"half', "9,70\n", '9,70,"text\n']


@pytest.mark.parametrize("torn", TORN)
@pytest.mark.parametrize("steps", [3, 7, 9])
def test_a_run_that_goes_on_has_each_row_once(problem, tmp_path, steps, torn):
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"

    def hooks(path, *more):
        return tnt.chain(validate(problem), tnt.hooks.record(path, every=2), *more)

    tnt.SGDEngine(hooks(whole)).train(**job(problem))
    kept = []
    with pytest.raises(Stopped):
        stopped = hooks(parts, stop_after(steps + 2, steps, kept))
        tnt.SGDEngine(stopped).train(**job(problem))
    with parts.open("a") as file:
        file.write(torn)
    given = job(problem, state=kept[0])
    for name in ("params", "lr"):
        del given[name]
    tnt.SGDEngine(hooks(parts)).train(**given)
    one, other = read(parts), read(whole)
    for row in (*one, *other):
        del row["seconds"]
    assert one == other


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_run_that_goes_on_without_a_history_reads_the_rows(problem, tmp_path, name):
    path = tmp_path / name

    def note(state):
        state.recorded.note(state.epoch, {"good": state.epoch == 1})
        return state

    record = tnt.chain(tnt.Hooks(on_end_epoch=note), tnt.hooks.record(path))
    first = tnt.SGDEngine(record).train(**job(problem, max_epoch=2))

    def load(fields):
        names = ("params", "epoch", "t", "samples")
        return {name: getattr(first, name) for name in names}

    again = tnt.SGDEngine(record).train(**job(problem, resume=load, max_epoch=3))
    assert again.history["t"] == [7, 14, 21]
    assert again.history["loss"][:2] == first.history["loss"]
    assert [good is True for good in again.history["good"]] == [True, False, False]
    assert path.read_text().count("\n") == 3 + (name == "run.csv")


def test_a_run_that_goes_on_writes_a_file_that_is_not_there(problem, tmp_path):
    record = tnt.hooks.record(tmp_path / "run.csv")
    first = tnt.SGDEngine(record).train(**job(problem, max_epoch=1))
    given = job(problem, state=first)
    for name in ("params", "lr"):
        del given[name]
    other = tmp_path / "folder"
    other.mkdir()
    (tmp_path / "other.csv").symlink_to(other / "run.csv")
    for path in (tmp_path / "new.csv", tmp_path / "other.csv"):
        tnt.SGDEngine(tnt.hooks.record(path)).train(**given)
        assert [row["t"] for row in read(path)] == ["7", "14"]
    assert (tmp_path / "other.csv").is_symlink()


def test_another_file_is_not_gone_on_with(problem, tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("name,value\na,1\n")
    state = tnt.SGDEngine().train(**job(problem, max_epoch=1))
    given = job(problem, state=state)
    for name in ("params", "lr"):
        del given[name]
    with pytest.raises(ValueError, match="run.csv has no rows of a run. Record into"):
        tnt.SGDEngine(tnt.hooks.record(path)).train(**given)
    assert path.read_text() == "name,value\na,1\n"


def test_text_and_dicts_are_fields(problem, tmp_path):
    path = tmp_path / "run.csv"
    values = ['a "word", and\nanother', None, True, float("nan"), {"a": [1, 2]}]
    notes = iter(values)

    def note(state):
        state.recorded.note(state.epoch, {"note": next(notes)})
        return state

    hooks = tnt.chain(tnt.Hooks(on_end_epoch=note), tnt.hooks.record(path))
    tnt.SGDEngine(hooks).train(**job(problem, max_epoch=5))
    written = [row["note"] for row in read(path)]
    assert written == [values[0], "", "True", "nan", '{"a": [1, 2]}']


def test_a_file_that_vanishes_begins_anew_with_its_columns(problem, tmp_path):
    path = tmp_path / "run.csv"

    def remove(state):
        if state.epoch == 1:
            os.remove(path)
        return state

    hooks = tnt.chain(tnt.hooks.record(path), tnt.Hooks(on_end_epoch=remove))
    with pytest.warns(RuntimeWarning, match="it is gone"):
        tnt.SGDEngine(hooks).train(**job(problem, max_epoch=3))
    assert [row["epoch"] for row in read(path)] == ["2", "3"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_a_full_disk_is_told_of_once(problem, tmp_path):
    path = tmp_path / "run.csv"
    path.symlink_to("/dev/full")
    with pytest.warns(RuntimeWarning, match="misses rows") as seen:
        state = tnt.SGDEngine(tnt.hooks.record(path, every=2)).train(**job(problem))
    assert state.t == 14
    assert sum("misses rows" in str(warning.message) for warning in seen) == 1
