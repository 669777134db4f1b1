"""Runs recorded in trackers: what their own readers find, also if a run goes on."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import tntjax as tnt


def read(folder):
    found = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    names = found.Tags()["scalars"]
    return {
        name: [(event.step, event.value) for event in found.Scalars(name)]
        for name in names
    }


def train(problem, folder, **changes):
    metering = tnt.hooks.metering(mean=(tnt.AverageValueMeter(), lambda s: s.loss))
    view = tnt.log.tensorboard(folder)
    hooks = tnt.chain(metering, tnt.hooks.record(view, every=3))
    return tnt.SGDEngine(hooks).train(**{**problem.job(), **changes})


def test_a_run_in_tensorboard(problem, tmp_path):
    train(problem, tmp_path)
    found = read(tmp_path)
    assert set(found) >= {"epoch", "samples", "loss", "lr", "seconds", "mean.mean"}
    assert [step for step, _ in found["loss"]] == [3, 6, 7, 9, 12, 14]
    assert found["epoch"] == [(3, 0), (6, 0), (7, 1), (9, 1), (12, 1), (14, 2)]


@pytest.mark.parametrize("steps", [6, 7])
def test_a_run_that_goes_on_has_each_point_once(problem, tmp_path, steps):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(problem, whole)
    train(problem, parts, max_steps=11)
    state = train(problem, tmp_path / "other", max_steps=steps)
    train(problem, parts, params=None, lr=None, state=state)
    found, expected = read(parts), read(whole)
    assert set(found) == set(expected)
    for name in ("epoch", "samples", "loss", "lr", "mean.mean"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    assert [step for step, _ in found["seconds"]][-1] == 14  # not of half an epoch


def test_members_are_curves(problem, tmp_path):
    params = {name: np.stack([leaf] * 2) for name, leaf in problem.params.items()}
    view = tnt.log.tensorboard(tmp_path)
    tnt.SGDEngine(tnt.hooks.record(view)).train(
        **{**problem.job(), "params": params, "lr": np.array([0.1, 0.2]), "members": 2}
    )
    found = read(tmp_path)
    assert [value for _, value in found["lr/1"]] == [np.float32(0.2)] * 2
    assert found["loss/0"] != found["loss/1"]
