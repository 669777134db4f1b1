"""Runs that have `log`; those of W&B and trackio are in files of their own."""

import types

import numpy as np
import pytest

from tntjax.log import Image, Log, tracker


class Run:
    """A run as any library may have it."""

    def __init__(self):
        self.logged = []

    def log(self, values, step):
        self.logged.append((step, values))


def test_a_run_is_given_rows():
    run = Run()
    log = Log(["t", "loss", "note", "error"], on_flush=[tracker(run)])
    log.set(t=3, loss=0.5, note="x", error={1: 50.0}).flush()
    assert run.logged == [(3, {"loss": 0.5, "error/1": 50.0, "note": "x"})]


def test_another_library_is_given_arrays():
    run = Run()
    tracker(run)({"t": 3, "weights": np.arange(100), "image": Image([[0.0]])})
    ((_, values),) = run.logged
    assert values["weights"].tolist() == list(range(100))
    assert values["image"].tolist() == [[[0, 0, 0]]]


def test_a_module_that_has_a_run():
    module, run = types.ModuleType("some.library"), Run()
    module.log, module.run = run.log, types.SimpleNamespace(step=2)
    view = tracker(module, step="epoch")
    for epoch in (1, 2):
        view({"epoch": epoch, "loss": 0.5})
    assert run.logged == [(2, {"loss": 0.5})]


@pytest.mark.parametrize(("done", "steps"), [({"t": 3}, [5, 6]), ({"t": 4}, [5, 6])])
def test_steps_that_a_run_has_are_not_logged_again(done, steps):
    run = Run()
    run.step = 5
    view = tracker(run)
    view.start(done)
    for t in (4, 5, 6):
        view({"t": t, "loss": 0.5})
    assert [step for step, _ in run.logged] == steps


def test_a_new_training_in_a_run_that_has_steps_is_told_of():
    run = Run()
    run.step, run.name = 5, "third"
    view = tracker(run)
    with pytest.warns(RuntimeWarning, match="tracker: third misses rows, .*up to 4"):
        view.start()
    assert repr(view) == "tracker(third)"


def test_a_second_training_in_the_run_of_the_first_is_told_of():
    run = Run()
    view = tracker(run)
    view.start()
    view({"t": 3, "loss": 0.5})
    with pytest.warns(RuntimeWarning, match="up to 3 already; give each training"):
        view.start()
    for t in (2, 3, 4):
        view({"t": t, "loss": 0.25})
    assert run.logged == [(3, {"loss": 0.5}), (4, {"loss": 0.25})]


def test_what_goes_on_between_two_rows_of_a_step_has_both():
    """An error in the validation of an epoch came before its row."""
    run = Run()
    view = tracker(run)
    view.start()
    for t in (2, 3):
        view({"t": t, "loss": 0.5})
    view.start({"t": 3})
    for t in (2, 3, 4):
        view({"t": t, "error": 0.25})
    assert [step for step, _ in run.logged] == [2, 3, 3, 4]


@pytest.mark.parametrize("run", [None, 5, "run", np, types.SimpleNamespace(log=3)])
def test_what_is_not_a_run_is_refused(run):
    if run is np:  # it has `log`, which is another one
        run = types.ModuleType("numbers")
    with pytest.raises(TypeError, match="tracker needs a run that has log"):
        tracker(run)
    assert repr(tracker(Run())) == "tracker(<tests.log.test_tracker.Run object>)"
