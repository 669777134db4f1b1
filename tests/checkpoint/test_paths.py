"""Folders as people write them: relative, `~`, links, and with a change of folder."""

import os
from pathlib import Path

import jax.numpy as jnp
import pytest

import tntjax as tnt

SAVED = "run/ckpt"
BATCH = {"input": jnp.ones(4), "target": jnp.ones(4)}


def network(params, input):
    return params * input


def criterion(output, target):
    return (output - target) ** 2


def train(hooks, max_epoch, **kwargs):
    job = {"network": network, "criterion": criterion, "params": jnp.zeros(())}
    job |= {"iterator": tnt.DatasetIterator([BATCH]), "lr": 0.1}
    return tnt.SGDEngine(hooks).train(**job, max_epoch=max_epoch, **kwargs)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder", [SAVED, f"./{SAVED}/../ckpt/", Path(SAVED), f"~/{SAVED}", b"run/ckpt"]
)
def test_a_run_goes_on_from_a_folder_as_it_is_written(folder):
    for max_epoch in (1, 2, 3):
        state = train(tnt.hooks.checkpoint(folder), max_epoch, resume=folder)
        assert (int(state.t), int(state.epoch)) == (max_epoch, max_epoch)
    assert tnt.checkpoint.steps(folder) == [1, 2, 3]
    back = tnt.checkpoint.restore(folder, {"params": jnp.zeros(())})
    assert back["params"] == state.params
    assert tnt.checkpoint.best(folder) is None


def test_the_home_is_where_a_tilde_points(here):
    train(tnt.hooks.checkpoint("~/ckpt"), 1)
    assert tnt.checkpoint.steps(here / "home" / "ckpt") == [1]
    assert not (here / "~").exists()


def test_a_link_and_what_it_points_to_are_the_same_folder(here):
    (here / "disk").mkdir()
    (here / "run").symlink_to(here / "disk")
    train(tnt.hooks.checkpoint("run/ckpt"), 1)
    state = train(tnt.hooks.checkpoint("disk/ckpt"), 2, resume="run/ckpt")
    assert int(state.t) == 2
    assert tnt.checkpoint.steps("disk/ckpt") == [1, 2]


def test_a_link_to_a_folder_that_is_not_there_yet(here):
    (here / "ckpt").symlink_to(here / "disk" / "ckpt")
    train(tnt.hooks.checkpoint("ckpt"), 1, resume="disk/ckpt")
    assert tnt.checkpoint.steps("disk/ckpt") == [1]


def test_a_run_that_changes_the_folder_saves_where_it_began(here):
    (here / "elsewhere").mkdir()
    leave = tnt.Hooks(on_start=lambda s: os.chdir(here / "elsewhere") or s)
    for max_epoch in (1, 2):
        os.chdir(here)
        hooks = tnt.chain(leave, tnt.hooks.checkpoint(SAVED, files=["log"]))
        state = train(hooks, max_epoch, resume=SAVED)
    assert int(state.t) == 2
    assert tnt.checkpoint.steps(here / SAVED) == [1, 2]
    assert list((here / "elsewhere").iterdir()) == []


def test_a_function_may_restore_from_a_relative_folder():
    train(tnt.hooks.checkpoint(SAVED, keep=None), 2)
    state = train(
        tnt.hooks.checkpoint(SAVED),
        2,
        resume=lambda like: tnt.checkpoint.restore(SAVED, like, step=1),
    )
    assert int(state.t) == 2


def test_a_function_that_restores_starts_in_the_folder_of_the_run():
    def resume(like):
        return tnt.checkpoint.restore(SAVED, like, skip_broken=True)

    for max_epoch in (1, 3):  # at first there is no folder
        hooks = tnt.hooks.checkpoint(SAVED)
        assert int(train(hooks, max_epoch, resume=resume).t) == max_epoch
    with pytest.raises(FileNotFoundError, match="no folder .*tpyo to restore from"):
        train(
            tnt.hooks.checkpoint(SAVED),
            3,
            resume=lambda like: tnt.checkpoint.restore("tpyo", like),
        )


# ---- where nothing is -------------------------------------------------------------


@pytest.mark.parametrize("made", [True, False])
def test_a_misspelt_folder_is_an_error(here, made):
    if made:  # empty, or with rests alone
        (here / "tpyo" / "update-1-epoch-0.discarded").mkdir(parents=True)
    words = f"no checkpoint in {here}/tpyo to resume from, .* not save there but"
    with pytest.raises(ValueError, match=f"{words} nowhere"):
        train(tnt.Hooks(), 1, resume="tpyo")
    with pytest.raises(ValueError, match=f"{words} {here}/{SAVED}"):
        train(tnt.hooks.checkpoint(SAVED), 1, resume="tpyo")
    assert not (here / "run").exists()


def test_a_folder_from_which_to_go_on_needs_no_hook_that_saves():
    train(tnt.hooks.checkpoint(SAVED), 1)
    assert int(train(tnt.Hooks(), 2, resume=SAVED).t) == 2


@pytest.mark.parametrize(
    ("folder", "error", "words"),
    [
        (3, TypeError, "must be a path, such as 'run/checkpoints', got 3"),
        (None, TypeError, "must be a path, such as 'run/checkpoints', got None"),
        ("gs://bucket/ckpt", ValueError, "must be a folder of this machine, got 'gs:"),
    ],
)
def test_what_is_not_a_folder(folder, error, words):
    for name, use in {
        "checkpoint: directory": tnt.hooks.checkpoint,
        "checkpoint: an entry of files": lambda f: tnt.hooks.checkpoint("a", files=[f]),
        "directory": tnt.checkpoint.steps,
    }.items():
        with pytest.raises(error, match=f"{name} {words}"):
            use(folder)


def test_resume_takes_the_folder_of_the_hooks():
    hooks = tnt.hooks.checkpoint(SAVED)
    assert int(train(hooks, 1, resume=True).t) == 1
    assert int(train(hooks, 2, resume=True).t) == 2
    assert int(train(tnt.Hooks(), 1, resume=False).t) == 1


def test_resume_does_not_guess_a_folder(here):
    with pytest.raises(ValueError, match="but they save nowhere. Chain one"):
        train(tnt.Hooks(), 1, resume=True)
    both = tnt.chain(tnt.hooks.checkpoint("one"), tnt.hooks.checkpoint("two"))
    words = f"they save {here}/one and {here}/two. Chain one .* resume=folder"
    with pytest.raises(ValueError, match=words):
        train(both, 1, resume=True)


def test_resume_names_itself():
    with pytest.raises(TypeError, match="resume must be a path, such as .* got 3"):
        train(tnt.Hooks(), 1, resume=3)


def test_an_empty_path_is_refused():
    with pytest.raises(
        ValueError, match="directory is empty. Write '.' for the folder"
    ):
        tnt.hooks.checkpoint("")
