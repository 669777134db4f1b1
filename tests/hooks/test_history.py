"""The history of a run: columns of plain values, whole after a run that goes on."""

import json
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.engine.conftest import criterion, network

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
    assert resumed.history["seconds"][2] > 0


def test_a_file_has_the_history_of_a_run_that_is_resumed(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")

    def run(**changes):
        record = tnt.hooks.record(tmp_path / "rows.jsonl")
        save = tnt.hooks.checkpoint(tmp_path / "checkpoints")
        return train(problem, record, save, **changes)

    first = run(max_epoch=2)
    assert '"recorded"' not in read_notes(tmp_path / "checkpoints")
    both = run(max_epoch=3, resume=tmp_path / "checkpoints")
    assert moments(both) == [(1, 7), (2, 14), (3, 21)]
    assert both.history["loss"][:2] == first.history["loss"]


def read_notes(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "".join(path.read_text(errors="ignore") for path in files)


def test_numbers_that_are_not_finite_come_back(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    job = {"criterion": lambda output, target: criterion(output, target) / 0.0}
    save = tnt.hooks.checkpoint(tmp_path)
    train(problem, tnt.hooks.record(), save, max_epoch=1, **job)
    again = train(problem, tnt.hooks.record(), save, resume=tmp_path, **job)
    assert not np.isfinite(again.history["loss"]).any()


def test_a_checkpoint_without_a_history_is_read(problem, tmp_path):
    pytest.importorskip("orbax.checkpoint")
    save = tnt.hooks.checkpoint(tmp_path / "checkpoints")
    to_file = tnt.hooks.record(tmp_path / "rows.jsonl")
    train(problem, to_file, save, max_epoch=1)
    again = train(problem, tnt.hooks.record(), save, resume=tmp_path / "checkpoints")
    assert moments(again) == [(2, 14)]


def test_resume_of_ones_own_may_bring_rows(problem):
    rows = [{"epoch": 0, "t": 0, "loss": 5.0}]
    state = train(
        problem, tnt.hooks.record(), resume=lambda like: {"recorded": rows}, max_epoch=1
    )
    assert state.history["loss"][0] == 5.0 and moments(state) == [(0, 0), (1, 7)]
    for wrong in ("rows.jsonl", [3], [{"loss": 1.0}]):
        with pytest.raises(TypeError, match="recorded must be a list of rows with"):
            train(problem, resume=lambda like, rows=wrong: {"recorded": rows})


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
