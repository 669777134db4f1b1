"""The history of a run: columns of plain values, whole after a run that goes on."""

import json
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network
from tntjax.hooks import _checkpoint

CONFUSION = (tnt.ConfusionMeter(3), lambda s: (s.output, s.sample["target"]))


def train(problem, *hooks, **changes):
    engine = tnt.SGDEngine(tnt.chain(*hooks))
    return engine.train(**{**problem.job(), **changes})


def moments(state):
    return list(zip(state.history["epoch"], state.history["t"], strict=True))


def without_seconds(state):
    history = state.history
    del history["seconds"]
    return history


def test_nothing_is_recorded_without_a_hook(problem):
    assert train(problem).history == {}
    assert tnt.State().history == {}


def test_columns_of_plain_values(problem):
    state = train(problem, tnt.hooks.metering("error"), tnt.hooks.record())
    history = state.history
    assert list(history)[:6] == ["epoch", "t", "samples", "loss", "lr", "error"]
    assert moments(state) == [(1, 7), (2, 14)]
    assert all(type(value) is float for value in history["loss"] + history["error"])
    assert 0 <= history["error"][1] <= 100
    json.dumps(history)


def test_a_table_can_be_plotted(problem):
    pandas = pytest.importorskip("pandas")
    state = train(problem, tnt.hooks.metering("error"), tnt.hooks.record(every=3))
    table = pandas.DataFrame(state.history)
    assert (table.dtypes[["loss", "error", "seconds"]] == "float64").all()
    assert table["seconds"].isna().tolist() == [True, True, False] * 2


def test_a_state_knows_what_was_done_when_it_was_left(problem):
    seen = []
    look = tnt.Hooks(on_end_epoch=lambda state: (seen.append(state), state)[1])
    last = train(problem, tnt.hooks.record(every=3), look, max_epoch=3)
    assert moments(seen[0]) == [(0, 3), (0, 6), (1, 7)]
    assert moments(seen[1]) == moments(last)[:6]
    assert len(moments(last)) == 10


def test_what_is_read_is_a_copy(problem):
    state = train(problem, tnt.hooks.record())
    state.history["loss"].clear()
    assert len(state.history["loss"]) == 2


def test_several_records_make_one_row_a_moment(problem):
    state = train(problem, tnt.hooks.record(every=3), tnt.hooks.record(every=7))
    assert moments(state) == [
        (0, 3),
        (0, 6),
        (0, 7),
        (1, 7),
        (1, 9),
        (1, 12),
        (1, 14),
        (2, 14),
    ]
    assert state.meters.keys() == {"mean_loss"}  # measured once
    once = train(problem, tnt.hooks.record())
    assert state.history["loss"][-1] == once.history["loss"][-1]


def test_a_run_that_goes_on_has_one_history(problem):
    whole = train(problem, tnt.hooks.record(), max_epoch=4)
    first = train(problem, tnt.hooks.record(), max_epoch=2)
    both = train(
        problem, tnt.hooks.record(), params=None, lr=None, state=first, max_epoch=4
    )
    assert without_seconds(both) == without_seconds(whole)
    assert len(first.history["t"]) == 2  # which is as it was


def test_an_older_state_goes_on_without_what_came_after(problem):
    states = []
    keep = tnt.Hooks(on_end_epoch=lambda state: (states.append(state), state)[1])
    train(problem, tnt.hooks.record(), keep, max_epoch=3)
    again = train(problem, tnt.hooks.record(), params=None, lr=None, state=states[0])
    assert moments(again) == [(1, 7), (2, 14)]


def test_after_an_error_the_history_is_there(problem):
    def fail(state):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError) as caught:
        train(problem, tnt.hooks.record(every=2), tnt.every(10, fail))
    state = caught.value.state
    assert moments(state)[-1] == (1, 10)


@pytest.mark.parametrize("at", [7, 10])
def test_a_run_that_is_resumed_has_one_history(problem, tmp_path, at):
    pytest.importorskip("orbax.checkpoint")

    def run(*hooks, **changes):
        record = tnt.hooks.record(every=3)
        save = tnt.hooks.checkpoint(tmp_path / "checkpoints", every=5)
        given = {"max_epoch": 3, **changes}
        return train(problem, record, save, *hooks, **given)

    def stop(state):
        if int(state.t) == at:
            signal.raise_signal(signal.SIGINT)
        return state

    with pytest.raises(KeyboardInterrupt):
        run(tnt.every(1, stop))
    resumed = run(resume=tmp_path / "checkpoints")
    whole = train(problem, tnt.hooks.record(every=3), max_epoch=3)
    assert without_seconds(resumed) == without_seconds(whole)
    assert resumed.history["seconds"][-1] > 0


def test_a_file_has_the_history_of_a_run_that_is_resumed(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")

    def run(**changes):
        record = tnt.hooks.record(tmp_path / "rows.jsonl")
        save = tnt.hooks.checkpoint(tmp_path / "checkpoints")
        return train(problem, record, save, **changes)

    first = run(max_epoch=2)
    both = run(max_epoch=3, resume=tmp_path / "checkpoints")
    assert moments(both) == [(1, 7), (2, 14), (3, 21)]
    assert both.history["loss"][:2] == first.history["loss"]


def test_rows_are_not_written_anew_for_each_checkpoint(problem, tmp_path, monkeypatch):
    pytest.importorskip("orbax.checkpoint")
    written, write = [], _checkpoint.as_json_line
    monkeypatch.setattr(
        _checkpoint,
        "as_json_line",
        lambda *given: (written.append(1), write(*given))[1],
    )
    save = tnt.hooks.checkpoint(tmp_path, every=1)
    state = train(problem, tnt.hooks.record(every=1), save)
    assert len(written) < 2 * len(moments(state)) + 2
    again = train(problem, tnt.hooks.record(every=1), save, resume=True)
    assert without_seconds(again) == without_seconds(state)


def test_numbers_that_are_not_finite_come_back(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    job = {"criterion": lambda output, target: criterion(output, target) / 0.0}
    save = tnt.hooks.checkpoint(tmp_path)
    train(problem, tnt.hooks.record(), save, max_epoch=1, **job)
    again = train(problem, tnt.hooks.record(), save, resume=tmp_path, **job)
    assert not np.isfinite(again.history["loss"]).any()


def test_a_checkpoint_without_a_history_is_read(problem, tmp_path):
    """As versions have written them that had none."""
    pytest.importorskip("orbax.checkpoint")
    save = tnt.hooks.checkpoint(tmp_path)
    train(problem, tnt.hooks.record(), save, max_epoch=1)
    (notes,) = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and '"recorded"' in path.read_text(errors="ignore")
    ]
    notes.write_text(notes.read_text().replace('"recorded"', '"another"'))
    again = train(problem, tnt.hooks.record(), save, resume=tmp_path)
    assert moments(again) == [(2, 14)]


@pytest.mark.parametrize("lost", [True, False])
def test_a_file_that_is_gone_or_new_is_written_whole(problem, tmp_path, lost):
    file = tmp_path / "rows.jsonl"
    first = train(problem, tnt.hooks.record(file if lost else None))
    if lost:
        file.unlink()
    given = {"params": None, "lr": None, "state": first, "max_epoch": 3}
    both = train(problem, tnt.hooks.record(file), **given)
    assert moments(both) == [(1, 7), (2, 14), (3, 21)]
    lines = file.read_text().splitlines()
    assert [json.loads(line)["t"] for line in lines] == [7, 14, 21]


def test_a_file_of_something_else_is_left_alone(problem, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("my notes\n")
    state = train(problem, tnt.hooks.record(), max_epoch=1)
    with pytest.raises(ValueError, match="has no rows of a run"):
        train(problem, tnt.hooks.record(file), params=None, lr=None, state=state)
    assert file.read_text() == "my notes\n"


def test_two_records_do_not_share_a_file(problem, tmp_path):
    file = tmp_path / "rows.jsonl"
    both = tnt.hooks.record(file), tnt.hooks.record(file, every=2)
    with pytest.raises(ValueError, match="two hooks record into"):
        train(problem, *both)


@pytest.mark.parametrize("every", [None, 5])
def test_an_epoch_that_is_cut_short_has_a_row(problem, tmp_path, every):
    file = tmp_path / "rows.jsonl"
    rows = []
    places = [tnt.hooks.record(place, every=every) for place in (file, rows.append)]
    state = train(problem, *places, max_epoch=None, max_steps=10)
    assert moments(state)[-2:] == [(1, 7), (1, 10)]
    assert state.history["seconds"][-1] is None
    assert [json.loads(line)["t"] for line in file.read_text().splitlines()][-1] == 10
    assert [row["t"] for row in rows] == state.history["t"]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    file, validate = tmp_path / "rows.jsonl", tnt.hooks.validate(problem.iterator())

    def run(**changes):
        save = tnt.hooks.checkpoint(tmp_path / "checkpoints")
        return train(problem, validate, tnt.hooks.record(file), save, **changes)

    run(max_steps=10)
    state = run(max_epoch=3, resume=True)
    assert moments(state) == [(1, 7), (2, 14), (3, 21)]
    lines = file.read_text().splitlines()
    assert [json.loads(line)["t"] for line in lines] == [7, 14, 21]
    assert [spent is None for spent in state.history["seconds"]] == [False, True, False]


def test_seconds_are_those_of_the_steps(problem):
    def wait(state):
        time.sleep(0.3)
        return state

    hooks = tnt.Hooks(on_end_epoch=wait), tnt.hooks.record()
    train(problem, *hooks)  # compiles
    assert max(train(problem, *hooks).history["seconds"]) < 0.3


def test_meters_do_not_take_names_of_the_row(problem):
    error = (tnt.ClassErrorMeter(), lambda s: (s.output, s.sample["target"]))
    named = dict.fromkeys(("epoch", "t", "loss", "lr"), error)
    history = train(problem, tnt.hooks.metering(named), tnt.hooks.record()).history
    assert history["t"] == [7, 14] and history["lr"] == [0.1, 0.1]
    assert history["epoch"] == [1, 2] and history["t.top1"] == history["loss.top1"]
    with pytest.raises(ValueError, match="name='loss' is a column of its own"):
        tnt.hooks.validate(problem.iterator(), name="loss")


def test_resume_of_ones_own_may_bring_rows(problem):
    rows = [{"epoch": 0, "t": 0, "loss": 5.0}]
    state = train(
        problem, tnt.hooks.record(), resume=lambda like: {"recorded": rows}, max_epoch=1
    )
    assert state.history["loss"][0] == 5.0 and moments(state) == [(0, 0), (1, 7)]
    for wrong in ("rows.jsonl", [3], [{"loss": 1.0}]):
        with pytest.raises(TypeError, match="recorded must be a list of rows with"):
            train(problem, resume=lambda like, rows=wrong: {"recorded": rows})


@pytest.mark.slow
def test_many_members(problem):
    params = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), problem.params)
    lr = np.array([0.1, 0.2])
    hooks = tnt.hooks.metering("error", spread=CONFUSION), tnt.hooks.record()
    state = train(problem, *hooks, params=params, lr=lr, members=2)
    alone = train(problem, *hooks, lr=0.2).history
    for name in ("loss", "error", "spread.accuracy"):
        values = [row[1] for row in state.history[name]]
        assert values == pytest.approx(alone[name])


def test_a_jit_of_a_state_is_not_traced_anew(problem):
    traced = []

    @jax.jit
    def norm(state):
        traced.append(1)
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(state.params))

    look = tnt.Hooks(on_end_epoch=lambda state: (norm(state), state)[1])
    train(problem, tnt.hooks.record(every=2), look, max_epoch=4)
    assert len(traced) == 1


def test_it_is_the_same_network(problem):
    state = train(problem, tnt.hooks.record())
    plain = train(problem)
    for one, other in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(plain.params), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert state.network is network


def test_the_rate_that_an_optimizer_keeps(problem):
    def train(optimizer, **how):
        job = problem.job(optimizer=optimizer, max_epoch=2, **how)
        del job["lr"]
        return tnt.OptimEngine(tnt.hooks.record(every=7)).train(**job).history

    schedule = optax.linear_schedule(0.1, 0.0, 28)
    kept = train(optax.inject_hyperparams(optax.sgd)(schedule))
    assert kept["lr"] == pytest.approx([float(schedule(t)) for t in (6, 6, 13, 13)])
    groups = {"low": optax.inject_hyperparams(optax.sgd)(0.25), "high": optax.sgd(0.5)}
    labels = {"weight": "low", "bias": "high"}
    assert train(optax.partition(groups, labels))["lr"][-1] == 0.25
    assert "lr" not in train(optax.sgd(schedule))
