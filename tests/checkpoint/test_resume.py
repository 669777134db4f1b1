"""Going on from any checkpoint makes no difference."""

import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.checkpoint.resumable import (
    CONFIGURATIONS,
    EPOCHS,
    EVERY,
    leaves,
    logged,
    train,
)
from tntjax.checkpoint._folder import entries


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (number > 0))
        for number, name in enumerate(CONFIGURATIONS)
    ],
)
def test_from_every_saved_step(name, tmp_path):
    saved, log = tmp_path / "saved", tmp_path / "log"
    hooks = tnt.hooks.checkpoint(saved, EVERY, keep=None, files=[log])
    end = train(name, tnt.chain(logged(log), hooks))
    lines = log.read_text()
    found = entries(saved)
    last = int(end.t)
    events = map(json.loads, lines.splitlines())
    ends = [line["t"] for line in events if line["event"] == "on_end_epoch"]
    assert len(ends) == EPOCHS
    assert {entry.t for entry in found} == {*range(EVERY, last + 1, EVERY), *ends}
    assert len(found) == EPOCHS + last // EVERY
    for entry in reversed(found):  # each time what comes after is written again
        for later in entries(saved):
            if later > entry:
                later.path.rename(tmp_path / f"{later.path.name}, {entry.path.name}")
        again = train(name, tnt.chain(logged(log), hooks), resume=saved)
        assert leaves(again) == leaves(end), entry.path.name
        assert log.read_text() == lines, entry.path.name


@pytest.mark.slow
def test_a_folder_without_checkpoints_is_a_start(tmp_path):
    name = "skip-last, adam, 3"
    end = train(name, tnt.hooks.checkpoint(tmp_path / "a"), resume=tmp_path / "a")
    assert leaves(end) == leaves(train(name, tnt.Hooks()))


LOOKS = tnt.chain(tnt.hooks.record(every=2), tnt.hooks.progress(io.StringIO()))


@pytest.mark.parametrize("steps", [3, 5])
@pytest.mark.parametrize("are_there_after", [False, True])
def test_plugins_that_only_show_come_and_go(tmp_path, steps, are_there_after):
    before, after = (tnt.Hooks(), LOOKS)[:: 1 if are_there_after else -1]
    batch = {"input": np.ones((4, 2), np.float32), "target": np.ones(4, np.float32)}
    job = {
        "network": lambda params, input: input @ params,
        "criterion": lambda output, target: (output - target) ** 2,
        "iterator": tnt.DatasetIterator([batch] * 5),
        "params": jnp.zeros(2),
        "optimizer": optax.adam,
        "lr": 0.1,
    }
    save = tnt.hooks.checkpoint(tmp_path)

    def go(hooks, **how):
        return tnt.OptimEngine(tnt.chain(hooks, save)).train(**job, **how)

    go(before, max_steps=steps)
    end = go(after, max_epoch=2, resume=True)
    whole = tnt.OptimEngine().train(**job, max_epoch=2)
    assert leaves(whole.replace(meters={}, aux={})) == leaves(
        end.replace(meters={}, aux={})
    )
    if are_there_after:
        assert end.history["t"] == [t for t in (4, 5, 6, 8, 10, 10) if t > steps]


@pytest.mark.slow
def test_going_on_from_an_older_one_discards_what_came_after(tmp_path):
    name, log = "skip-last, adam, 3", tmp_path / "log"
    hooks = tnt.hooks.checkpoint(tmp_path / "a", keep=None, files=[log])
    end = train(name, tnt.chain(logged(log), hooks))
    lines, seen = log.read_text(), []
    look = tnt.Hooks(on_start_epoch=lambda s: seen.append(tnt.checkpoint.steps(a)) or s)
    a = tmp_path / "a"
    again = train(
        name,
        tnt.chain(logged(log), hooks, look),
        resume=lambda like: tnt.checkpoint.restore(a, like, step=6),
    )
    assert seen == [[6]]
    assert tnt.checkpoint.steps(a) == [6, 12]
    assert leaves(again) == leaves(end) and log.read_text() == lines


def test_what_stopped_a_run_stops_it_again(tmp_path):
    name = "skip-last, adam, 3"
    stop = tnt.Hooks(on_end_epoch=lambda s: s.replace(stop=int(s.epoch) == 1))
    hooks = tnt.chain(stop, tnt.hooks.checkpoint(tmp_path))
    end = train(name, hooks)
    again = train(name, hooks, resume=tmp_path)
    assert int(again.epoch) == 1 and again.stop
    assert leaves(again) == leaves(end)


@pytest.mark.slow
def test_more_epochs_than_before(tmp_path):
    name = "skip-last, adam, 3"
    train(name, tnt.hooks.checkpoint(tmp_path), max_epoch=1)
    end = train(name, tnt.hooks.checkpoint(tmp_path), resume=tmp_path)
    assert leaves(end) == leaves(train(name, tnt.Hooks()))


def test_hooks_of_the_host_see_the_same_kinds_of_numbers(tmp_path):
    """What is computed between epochs is computed alike, with NumPy or with JAX."""
    name, seen = "skip-last, adam, 3", []

    def look(state):
        seen.append([type(leaf) for leaf in jax.tree.leaves(state.meters)])
        return state

    fresh = tnt.Hooks(on_end_epoch=lambda s: s.replace(meters=reset(s)))
    hooks = tnt.chain(fresh, tnt.hooks.checkpoint(tmp_path, keep=None))
    train(name, tnt.chain(hooks, tnt.Hooks(on_end=look)))
    train(name, tnt.chain(hooks, tnt.Hooks(on_end=look)), resume=tmp_path)
    assert seen[0] == seen[1]


def reset(state):
    return {name: meter.reset() for name, meter in state.meters.items()}


def test_a_function_chooses_what_to_go_on_with(tmp_path):
    name = "skip-last, adam, 3"
    warm = jnp.full((5, 3), 0.5)

    def start(like):
        return {**like, "params": {**like["params"], "weight": warm}}

    seen = []
    look = tnt.Hooks(on_start_epoch=lambda s: seen.append(s.params["weight"]) or s)
    train(name, look, resume=start, max_epoch=1)
    assert seen[0].tolist() == warm.tolist()
