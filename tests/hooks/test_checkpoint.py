"""The plugin that saves: when, what it keeps, what it refuses."""

import os
import re
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tests.checkpoint.resumable import leaves, logged, make_data, train
from tntjax.checkpoint import _save
from tntjax.checkpoint._folder import entries
from tntjax.checkpoint._orbax import write
from tntjax.checkpoint._restore import read_score

NAME = "skip-last, adam, 3"
"""6 updates an epoch, 2 epochs."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_saves_each_epoch_and_every_so_many_updates(tmp_path):
    train(NAME, tnt.hooks.checkpoint(tmp_path / "a" / "b", keep=None))
    assert tnt.checkpoint.steps(tmp_path / "a" / "b") == [6, 12]
    train(NAME, tnt.hooks.checkpoint(tmp_path / "c", 5, keep=None))
    assert tnt.checkpoint.steps(tmp_path / "c") == [5, 6, 10, 12]


@pytest.mark.slow
def test_keeps_the_last_ones(tmp_path):
    train(NAME, tnt.hooks.checkpoint(tmp_path, 2, keep=2))
    assert names(tmp_path) == ["update-10-epoch-1", "update-12-epoch-2"]


@pytest.mark.slow
def test_keeps_the_best_one_too(tmp_path):
    scores = {2: 6.0, 4: 1.0, 6: None, 8: 1.0, 10: float("nan"), 12: 2.0}
    best = lambda state: scores[int(state.t)]  # noqa: E731
    train(NAME, tnt.hooks.checkpoint(tmp_path, 2, keep=1, best=best))
    assert tnt.checkpoint.steps(tmp_path) == [4, 12]
    assert tnt.checkpoint.best(tmp_path) == 4


def test_the_best_may_be_the_highest(tmp_path):
    scores = {6: 3.0, 12: 4.0, 18: 4.0, 24: 1.0}
    hooks = tnt.hooks.checkpoint(
        tmp_path, keep=1, best=lambda s: scores[int(s.t)], maximize=True
    )
    train(NAME, hooks, max_epoch=4)
    assert tnt.checkpoint.steps(tmp_path) == [12, 24]
    assert tnt.checkpoint.best(tmp_path) == 12


@pytest.mark.slow
def test_scores_without_a_direction_are_those_of_old_the_higher_the_better(tmp_path):
    train(NAME, tnt.hooks.checkpoint(tmp_path, best=lambda s: int(s.epoch)))
    assert tnt.checkpoint.best(tmp_path) == 6
    for notes in tmp_path.rglob("notes/metadata"):
        notes.write_text(notes.read_text().replace('"maximize": false, ', ""))
    assert tnt.checkpoint.best(tmp_path) == 12


@pytest.mark.slow
def test_only_scores_in_the_direction_of_the_last_count(tmp_path):
    for epoch, maximize in ((1, False), (2, True), (3, True)):
        hooks = tnt.hooks.checkpoint(
            tmp_path, best=lambda s: -int(s.epoch), maximize=maximize
        )
        train(NAME, hooks, resume=tmp_path, max_epoch=epoch)
    assert tnt.checkpoint.best(tmp_path) == 12


def test_a_score_that_fails_costs_no_checkpoint(tmp_path):
    hooks = tnt.hooks.checkpoint(tmp_path, best=lambda s: s.meters["loss"].value())
    words = "checkpoint: best must return one number, got MeanStd with the fields mean"
    with pytest.raises(TypeError, match=words):
        train(NAME, hooks)
    assert tnt.checkpoint.steps(tmp_path) == [6]


def test_of_members_the_name_of_a_score_is_refused_at_the_start(tmp_path):
    iterator = tnt.DatasetIterator([make_data(4)])
    tester = tnt.SGDEngine(tnt.hooks.metering("error"))
    judge = tnt.hooks.validate(tester, iterator, score="error")
    words = (
        r"best='validate' is 2 scores, one for each member.*aux\['validate'\].min\(\)"
    )
    hooks = tnt.chain(judge, tnt.hooks.checkpoint(tmp_path, best="validate"))
    with pytest.raises(ValueError, match=words) as caught:
        train("members", hooks)
    assert int(caught.value.state.t) == 0
    best = lambda state: state.aux["validate"].min()  # noqa: E731
    hooks = tnt.chain(judge, tnt.hooks.checkpoint(tmp_path, best=best))
    train("members", hooks, max_epoch=1)
    assert tnt.checkpoint.best(tmp_path) == tnt.checkpoint.steps(tmp_path)[-1]


@pytest.mark.slow
def test_the_best_is_remembered_by_a_run_that_goes_on(tmp_path):
    hooks = tnt.hooks.checkpoint(tmp_path, keep=1, best=lambda s: int(s.epoch))
    train(NAME, hooks, max_epoch=1)
    train(NAME, hooks, resume=tmp_path, max_epoch=3)
    assert tnt.checkpoint.steps(tmp_path) == [6, 18]
    assert tnt.checkpoint.best(tmp_path) == 6


@pytest.mark.slow
def test_without_scores_there_is_no_best(tmp_path):
    train(NAME, tnt.hooks.checkpoint(tmp_path))
    assert tnt.checkpoint.best(tmp_path) is None


def test_is_quiet_in_a_test(tmp_path):
    hooks = tnt.hooks.checkpoint(tmp_path / "new")
    batch = {"input": jnp.ones((2, 1))}
    tnt.SGDEngine(hooks).test(
        network=lambda params, input: input * params,
        iterator=tnt.DatasetIterator([batch]),
        params=jnp.ones(()),
    )
    assert not (tmp_path / "new").exists()


def test_shows_what_it_does(capsys):
    hooks = tnt.hooks.checkpoint("folder", 10)
    assert repr(hooks) == "Hooks(save(10, _Checkpoint.save))"
    tnt.SGDEngine(hooks).explain()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("A compiled call makes up to 10 steps")
    assert [line.split()[-2:] for line in lines[1:]] == [
        ["_Checkpoint.save", "(saves)"]
    ]


# ---- scores of validate -----------------------------------------------------------


def validating(*scores, every=1):
    """A `validate` that measures what is given, an epoch after the other."""
    batch = {"input": jnp.ones((2, 5)), "target": jnp.zeros(2, int)}
    left, batches = iter(scores), tnt.DatasetIterator([batch])
    tester = tnt.SGDEngine()
    return tnt.hooks.validate(tester, batches, score=lambda r: next(left), every=every)


def measured(state):
    return state.aux["validate"]


@pytest.mark.slow
def test_a_checkpoint_has_the_score_of_its_own_epoch(tmp_path):
    save = tnt.hooks.checkpoint(tmp_path, every=3, keep=None, best=measured)
    train(NAME, tnt.chain(save, validating(3, 1, 1, every=2)), max_epoch=6)
    assert tnt.checkpoint.steps(tmp_path) == [*range(3, 37, 3)]
    scores = {e[:2]: read_score(e.path) for e in entries(tmp_path)}
    assert {k: s.value for k, s in scores.items() if s} == {
        (12, 2): 3,
        (24, 4): 1,
        (36, 6): 1,
    }
    assert tnt.checkpoint.best(tmp_path) == 24


@pytest.mark.slow
def test_a_score_that_is_not_there_is_named(tmp_path):
    with pytest.raises(KeyError, match=r"checkpoint: score reads state.aux\['vali"):
        train(NAME, tnt.hooks.checkpoint(tmp_path, best=measured))
    assert tnt.checkpoint.steps(tmp_path) == [6]


@pytest.mark.slow
def test_nothing_it_saves_or_reads_is_not_finite(tmp_path):
    save = tnt.hooks.checkpoint(tmp_path, every=4, best=measured)
    with jax.debug_nans(True), jax.debug_infs(True):
        for max_epoch in (1, 2):
            hooks = tnt.chain(validating(3, 1), save)
            state = train(NAME, hooks, resume=tmp_path, max_epoch=max_epoch)
    assert (int(state.epoch), float(measured(state))) == (2, 3)


# ---- ends -------------------------------------------------------------------------


def terminate(state):
    os.kill(os.getpid(), signal.SIGTERM)
    return state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hooks", "steps"),
    [
        (tnt.watch(2, terminate), [6]),  # it looks late, while more calls are made
        (tnt.every(2, terminate), [2]),
        (tnt.Hooks(on_start_epoch=terminate), [3]),
        (tnt.Hooks(on_end_epoch=terminate), [6]),
        (
            tnt.Hooks(on_end_epoch=lambda s: terminate(s) if s.epoch == 2 else s),
            [6, 12],
        ),
    ],
)
def test_sigterm_saves_and_exits(tmp_path, hooks, steps):
    end = train(NAME, tnt.hooks.checkpoint(tmp_path / "whole"))
    save = tnt.hooks.checkpoint(tmp_path / "a")
    with pytest.raises(SystemExit) as caught:
        train(NAME, tnt.chain(hooks, save))
    assert caught.value.code == 143
    assert tnt.checkpoint.steps(tmp_path / "a") == steps
    assert leaves(train(NAME, save, resume=tmp_path / "a")) == leaves(end)


def test_sigterm_while_restoring_exits(tmp_path):
    save = tnt.hooks.checkpoint(tmp_path)
    with pytest.raises(SystemExit) as caught:
        train(NAME, save, resume=terminate)
    assert caught.value.code == 143


@pytest.mark.slow
def test_an_error_does_not_lose_the_save_before_it(tmp_path):
    def fail(state):
        raise ValueError("a mistake")

    hooks = tnt.chain(tnt.hooks.checkpoint(tmp_path, 4), tnt.every(5, fail))
    with pytest.raises(ValueError, match="a mistake"):
        train(NAME, hooks)
    assert names(tmp_path) == ["update-4-epoch-0"]


@pytest.mark.slow
def test_an_interrupted_run_goes_on(tmp_path):
    def interrupt(state):
        raise KeyboardInterrupt

    def run(name, hook, **kwargs):
        save = tnt.hooks.checkpoint(tmp_path / name, 4)
        return train(NAME, tnt.chain(save, tnt.every(5, hook)), **kwargs)

    with pytest.raises(KeyboardInterrupt) as caught:
        run("a", interrupt)
    assert caught.value.state.t == 5
    assert tnt.checkpoint.steps(tmp_path / "a") == [4, 5]
    again = run("a", lambda s: s, resume=tmp_path / "a")
    assert leaves(again) == leaves(run("b", lambda s: s))


class FullDisk:
    def save(self, *args, **kwargs):
        pass

    def wait_until_finished(self):
        self.tries = getattr(self, "tries", 0) + 1
        if self.tries > 1:
            raise OSError("the disk is full")

    def close(self):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "after"), [(None, "at the end"), (2, "at the next save")]
)
def test_an_error_in_the_background_is_raised(tmp_path, monkeypatch, every, after):
    monkeypatch.setattr(_save, "make_writer", FullDisk)
    seen = []
    hooks = tnt.chain(
        tnt.hooks.checkpoint(tmp_path, every),
        tnt.Hooks(on_end=lambda s: seen.append("at the end") or s),
    )
    with pytest.raises(OSError, match="the disk is full") as caught:
        train(NAME, hooks, max_epoch=1)
    assert f"written into {tmp_path}. Is there room" in caught.value.__notes__[0]
    assert seen == (["at the end"] if after == "at the end" else [])


class Overlapping:
    """Stands for Orbax's writer: waits a while for a second thread to come in."""

    def __init__(self):
        self.both, self.saved = threading.Barrier(2), []

    def save(self, path, args):
        try:
            self.both.wait(timeout=0.5)
            self.saved.append("two at once")
        except threading.BrokenBarrierError:
            self.both.reset()
            self.saved.append(path.name)


def test_runs_in_two_threads_begin_to_save_one_after_the_other(tmp_path):
    """Orbax waits five minutes for signals if it counts two saves as one."""
    writer = Overlapping()
    threads = [
        threading.Thread(target=write, args=(writer, tmp_path / name, {}, {}))
        for name in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(writer.saved) == ["a", "b"]


@pytest.mark.slow
def test_runs_in_threads_save_and_go_on(tmp_path):
    ends = {}

    def run(name):
        hooks = tnt.hooks.checkpoint(tmp_path / name, 2)
        train(NAME, hooks, max_epoch=1)
        ends[name] = leaves(train(NAME, hooks, resume=True))

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == dict.fromkeys("abcd", leaves(train(NAME, tnt.Hooks())))


# ---- folders ----------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_from_the_beginning_does_not_mix_with_another(tmp_path):
    save = tnt.hooks.checkpoint(tmp_path, keep=None)
    train(NAME, save)
    before = names(tmp_path)
    words = (
        r"has checkpoints already, after \[6, 12\] updates, .*resume='.*'\), or save"
    )
    with pytest.raises(ValueError, match=words):
        train(NAME, tnt.hooks.checkpoint(tmp_path, keep=1))
    assert names(tmp_path) == before
    other = tmp_path.with_name(f"{tmp_path.name}-other")
    train(NAME, tnt.hooks.checkpoint(other, 4))
    with pytest.raises(ValueError, match="has checkpoints already"):
        train(NAME, save, resume=lambda x: tnt.checkpoint.restore(other, x, step=8))
    assert names(tmp_path) == before


@pytest.mark.slow
def test_a_run_may_go_on_in_another_folder(tmp_path):
    train(NAME, tnt.hooks.checkpoint(tmp_path / "a"), max_epoch=1)
    end = train(NAME, tnt.hooks.checkpoint(tmp_path / "b"), resume=tmp_path / "a")
    assert tnt.checkpoint.steps(tmp_path / "a") == [6]
    assert tnt.checkpoint.steps(tmp_path / "b") == [12]
    assert leaves(end) == leaves(train(NAME, tnt.hooks.checkpoint(tmp_path / "c")))


def test_foreign_files_are_refused_at_the_start(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match="holds 'thesis.txt', which is no checkpoint"):
        train(NAME, tnt.hooks.checkpoint(tmp_path))
    assert names(tmp_path) == ["thesis.txt"]


def test_a_folder_that_may_not_be_written_to_is_refused_at_the_start(
    tmp_path, monkeypatch
):
    train(NAME, tnt.hooks.checkpoint(tmp_path), max_epoch=1)
    (tmp_path / "update-6-epoch-1.discarded").mkdir()
    before = names(tmp_path)
    # Not chmod: root may write wherever it likes.
    monkeypatch.setattr(_save.os, "access", lambda path, mode: path != tmp_path)
    words = f"{tmp_path} is a folder that you may not write to"
    with pytest.raises(PermissionError, match=re.escape(words)):
        train(NAME, tnt.hooks.checkpoint(tmp_path), resume=tmp_path)
    assert names(tmp_path) == before
    assert int(train(NAME, tnt.Hooks(), resume=tmp_path).t) == 12  # it is only read


@pytest.mark.slow
def test_rests_of_a_killed_run_are_cleared_away(tmp_path):
    (tmp_path / "update-6-epoch-1.orbax-checkpoint-tmp").mkdir()
    train(NAME, tnt.hooks.checkpoint(tmp_path), max_epoch=1)
    assert names(tmp_path) == ["update-6-epoch-1"]


@pytest.mark.slow
def test_a_changed_network_is_named(tmp_path):
    save = tnt.hooks.checkpoint(tmp_path)
    train(NAME, save)
    params = {"weight": jnp.zeros((5, 4)), "bias": jnp.zeros(4)}
    with pytest.raises(ValueError, match="is of something else") as caught:
        train(NAME, save, params=params, resume=tmp_path)
    text = "params['weight'] is float32[5,3] there, and float32[5,4] here"
    assert text in str(caught.value)
    assert tnt.checkpoint.steps(tmp_path) == [6, 12]


# ---- files ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_file_may_move_along_with_the_folder(tmp_path):
    old, new, whole = tmp_path / "old", tmp_path / "new", tmp_path / "whole"

    def run(place, **kwargs):
        place.mkdir(exist_ok=True)
        save = tnt.hooks.checkpoint(place / "saved", files=[place / "log"])
        train(NAME, tnt.chain(logged(place / "log"), save), **kwargs)
        return (place / "log").read_text()

    run(old, max_epoch=1)
    old.rename(new)
    assert run(new, resume=new / "saved") == run(whole)


@pytest.mark.slow
def test_a_run_killed_before_it_saved_begins_its_file_again(tmp_path):
    log, saved = tmp_path / "log", tmp_path / "saved"
    log.write_text("of a run before\n")
    save = tnt.hooks.checkpoint(saved, files=[log])

    def run(max_epoch=2):
        train(NAME, tnt.chain(logged(log), save), resume=saved, max_epoch=max_epoch)
        return log.read_text()

    run(0)
    log.write_text(log.read_text() + "written, then killed\n")
    lines = run()
    assert lines.startswith("of a run before\n")
    assert lines.count("on_start_epoch") == 2 and "killed" not in lines
    assert tnt.checkpoint.steps(saved) == [6, 12]


def test_a_file_that_was_deleted_begins_anew(tmp_path):
    log, saved = tmp_path / "log", tmp_path / "saved"
    log.write_text("long " * 1000)
    for text in ("", "killed"):  # started, and started again with the file gone
        train(NAME, tnt.hooks.checkpoint(saved, files=[log]), max_epoch=0)
        log.write_text(text)
    train(NAME, tnt.hooks.checkpoint(saved, files=[log]), max_epoch=0)
    assert log.read_text() == ""


@pytest.mark.slow
def test_a_file_that_was_cut_is_an_error(tmp_path):
    log = tmp_path / "log"
    save = tnt.hooks.checkpoint(tmp_path / "saved", files=[log])
    train(NAME, tnt.chain(logged(log), save), max_epoch=1)
    log.write_text("")
    with pytest.raises(
        ValueError, match="log has .* bytes, but had .* Put the file ba"
    ):
        train(NAME, save, resume=tmp_path / "saved")


@pytest.mark.slow
def test_a_file_that_is_new_is_left_alone(tmp_path):
    train(NAME, tnt.hooks.checkpoint(tmp_path / "saved"), max_epoch=1)
    (tmp_path / "notes").write_text("kept\n")
    save = tnt.hooks.checkpoint(tmp_path / "saved", files=[tmp_path / "notes"])
    train(NAME, save, resume=tmp_path / "saved")
    assert (tmp_path / "notes").read_text() == "kept\n"


@pytest.mark.parametrize("name", ["run[1]/saved", "r*n", "r?n", "r\\n", b"r\xff"])
def test_a_folder_that_orbax_would_not_find_again_is_refused(name):
    with pytest.raises(ValueError, match="Save into a folder of another name"):
        tnt.hooks.checkpoint(name)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"every": 0}, ValueError, r"every=...\) must be at least 1, got 0"),
        ({"keep": True}, TypeError, r"keep=...\) must be an integer, got True"),
        ({"best": 3}, TypeError, "checkpoint: best needs a score: the name.*; got 3"),
        ({"files": "log"}, TypeError, r"files must be a list, such as \['log'\]"),
        ({"files": 5}, TypeError, r"files must be a list, such as \[5\]"),
        ({"files": None}, TypeError, "files must be a list"),
        ({"files": ["."]}, ValueError, "files must be files, and .* is a folder"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        tnt.hooks.checkpoint("folder", **arguments)


def test_a_run_that_max_steps_ended_goes_on(problem, tmp_path):
    job = problem.job(max_epoch=None)
    whole = tnt.SGDEngine().train(**job, max_steps=12, steps_per_call=1)
    save = tnt.hooks.checkpoint(tmp_path)
    state = tnt.SGDEngine(save).train(**job, max_steps=5, steps_per_call=1)
    assert not state.stop and tnt.checkpoint.steps(tmp_path) == [5]
    job["steps_per_call"] = 1
    resumed = tnt.SGDEngine(save).train(**job, max_steps=12, resume=tmp_path)
    del job["params"], job["lr"]
    continued = tnt.SGDEngine().train(**job, max_steps=12, state=state)
    for end in (resumed, continued):
        assert (end.t, end.epoch, end.position) == (12, 1, 5)
        np.testing.assert_array_equal(end.params["weight"], whole.params["weight"])


@pytest.mark.slow
def test_a_run_that_failed_goes_on_into_the_same_folder(problem, tmp_path):
    save = tnt.hooks.checkpoint(tmp_path, 2)

    def fail(state):
        raise OSError("disk")

    with pytest.raises(OSError, match="disk") as caught:
        tnt.SGDEngine(tnt.chain(save, tnt.every(5, fail))).train(**problem.job())
    job = problem.job(max_epoch=1)
    del job["params"], job["lr"]
    tnt.SGDEngine(save).train(**job, state=caught.value.state)
    assert tnt.checkpoint.steps(tmp_path) == [4, 6, 7]
    with pytest.raises(ValueError, match=r"has checkpoints of after \[6, 7\] updates"):
        tnt.SGDEngine(save).train(**job, state=caught.value.state)


def test_no_checkpoint_is_saved_after_a_bad_step(tmp_path):
    """Or each run that goes on would end by the error of that step for ever."""
    input = np.ones((8, 4), np.float32)
    input[4] = np.nan
    data = tnt.TableDataset({"input": input, "target": np.zeros((8, 4))})
    hooks = tnt.chain(
        tnt.hooks.nan_guard(100),
        tnt.hooks.checkpoint(tmp_path, every=1, keep=1),
    )
    job = {
        "network": lambda params, input: input * params,
        "criterion": lambda output, target: ((output - target) ** 2).mean(-1),
        "iterator": tnt.DatasetIterator(tnt.BatchDataset(data, 1)),
        "params": jnp.ones(()),
        "lr": 0.25,
        "max_epoch": 1,
        "resume": True,
    }
    for _ in range(2):
        with pytest.raises(tnt.hooks.NonFiniteError, match="in update 5 the loss"):
            tnt.SGDEngine(hooks).train(**job)
        assert [entry.t for entry in entries(tmp_path)] == [4]
    input[4] = 1.0  # mended
    assert float(tnt.SGDEngine(hooks).train(**job).params) == 0.5**8
