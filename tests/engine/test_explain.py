"""What an engine says that it will do."""

import jax
import numpy as np
import pytest

import tntjax as tnt
from tntjax.engine._around import Session
from tntjax.engine._hooks import Scheduled


def clip(state):
    return state


def test_nothing_to_say(capsys, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    tnt.SGDEngine().explain()
    words = "A compiled call makes up to 32 steps, fewer if their samples exceed 64 MiB"
    assert capsys.readouterr().out == words + ".\n"


def test_all_there_is(capsys):
    hooks = tnt.chain(
        tnt.Hooks(on_start=clip, on_backward=clip),
        tnt.Hooks(on_backward=clip),
        tnt.every(10, clip),
        tnt.watch(4, clip),
        tnt.Hooks(sessions=(Session(save=clip),)),
        tnt.Hooks(scheduled=(Scheduled("every", None, clip, (3, 5)),)),
    )
    tnt.OptimEngine(hooks).explain(steps_per_call=6)
    assert capsys.readouterr().out.splitlines() == [
        "A compiled call makes up to 6 steps.",
        "The first calls make 3, 1, 1, 3, 2, 2 steps.",
        "on_start               host      clip",
        "on_backward            compiled  clip, clip",
        "every 10 updates       host      clip (waits, may change)",
        "every 4 updates        host      clip (late, read-only)",
        "after update 3, after update 5 host      clip (waits, may change)",
        "each epoch             host      clip (saves)",
    ]


HOOKS = {
    "none": tnt.Hooks(),
    "every": tnt.every(4, clip),
    "watch": tnt.watch(2, print),
    "rare": tnt.watch(70, print),
}


@pytest.mark.parametrize("hooks", HOOKS.values(), ids=HOOKS)
@pytest.mark.parametrize(
    ("batches", "policy", "steps_per_call"),
    [
        (60, "pad-last", "auto"),
        (7, "include-last", "auto"),
        (40, "include-last", "auto"),
        (1, "pad-last", "auto"),
        (37, "pad-last", 10),
    ],
)
@pytest.mark.slow
def test_executables_are_those_that_are_compiled(
    problem, capsys, hooks, batches, policy, steps_per_call
):
    data = {"input": np.zeros((8 * batches - 3, 5), np.float32)}
    data["target"] = np.zeros(8 * batches - 3, np.int32)
    batched = tnt.BatchDataset(tnt.TableDataset(data), 8, policy=policy)
    engine, iterator = tnt.SGDEngine(hooks), tnt.DatasetIterator(batched)
    engine.explain(steps_per_call, iterator)
    said = capsys.readouterr().out
    job = problem.job(iterator=iterator, max_epoch=3, steps_per_call=steps_per_call)
    # A network of its own: the functions of other runs are compiled already.
    state = engine.train(**{**job, "network": lambda p, x: x @ p["weight"] + p["bias"]})
    assert f"An epoch of {batches} sample" in said
    assert f"Executables of the step: {state.compiled} (" in said


@pytest.mark.parametrize(
    ("rows", "epoch", "executables"),
    [
        (8, "1 sample takes 1 call.", "1 (1 step)."),
        (24, "3 samples takes 1 call.", "1 (up to 3 steps)."),
        (29, "4 samples takes 2 calls.", "2 (up to 3 steps, 1 step of a last batch)."),
    ],
)
def test_executables_have_names(capsys, rows, epoch, executables):
    data = {"input": np.zeros((rows, 5)), "target": np.zeros(rows)}
    batched = tnt.BatchDataset(tnt.TableDataset(data), 8)
    tnt.SGDEngine().explain(3, tnt.DatasetIterator(batched))
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"An epoch of {epoch}",
        f"Executables of the step: {executables}",
    ]


def test_an_epoch_whose_length_is_not_known(capsys):
    some = tnt.DatasetIterator([1.0, 2.0], filter=lambda x: x > 1)
    tnt.SGDEngine().explain(iterator=some)
    assert "is not known before it ends." in capsys.readouterr().out
    tnt.SGDEngine().explain(iterator=tnt.DatasetIterator([]))
    assert capsys.readouterr().out.endswith("An epoch has no samples.\n")


def test_hooks_of_plugins_are_shown_with_the_name_of_the_plugin(capsys):
    tnt.SGDEngine(tnt.chain(tnt.hooks.nan_guard(), tnt.hooks.ema(0.5))).explain()
    said = capsys.readouterr().out
    assert "on_backward            compiled  nan_guard.guard()" in said
    assert "ema.start(" in said


def test_a_dataset_has_to_be_wrapped():
    with pytest.raises(TypeError, match=r"Wrap it: tnt\.DatasetIterator\(dataset\)"):
        tnt.SGDEngine().explain(iterator=[{"input": 0.0, "target": 0.0}])
