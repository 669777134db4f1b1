"""Runs whose hooks make what they keep in `on_start_epoch`, as Torchnet's do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.checkpoint.resumable import leaves
from tntjax.checkpoint._folder import entries

ROWS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
BATCHES = tnt.BatchDataset(tnt.TableDataset({"input": ROWS, "target": ROWS[:, 0]}), 4)
"""5 batches an epoch."""

APPLY = lambda params, state, input, *, key, training: (  # noqa: E731
    input @ params,
    None if state is None else {"seen": state["seen"] + 1},
)
ADAM = optax.adam(0.1)


def criterion(output, target):
    return (output - target) ** 2


def meters(state):
    return state.replace(meters={"loss": tnt.AverageValueMeter()})


def measure(state):
    loss = state.meters["loss"].add(state.loss)
    return state.replace(meters={**state.meters, "loss": loss})


def aux(state):  # counts epochs, from nothing
    epochs = state.aux.get("epochs", 0) + 1
    first = jax.tree.leaves(state.aux.get("first", state.params))[0]
    return state.replace(aux={"epochs": epochs, "first": first})


def model_state(state):
    return state.replace(model_state=state.model_state or {"seen": 0})


def large(state):
    return state.replace(large={"before": state.params})


def dropped(state):  # as it is only between epochs
    return state.replace(meters={})


def by_epoch(state):  # what is on the host depends on what was done
    flipped = tnt.TransformDataset(BATCHES, lambda s: {**s, "target": -s["target"]})
    dataset = flipped if int(state.epoch) % 2 else BATCHES
    return state.replace(iterator=tnt.DatasetIterator(dataset))


BORN = {
    "meters": tnt.Hooks(on_start_epoch=meters, on_forward_criterion=measure),
    "aux": tnt.Hooks(on_start_epoch=aux),
    "model state": tnt.Hooks(on_start_epoch=model_state),
    "large": tnt.Hooks(on_start_epoch=large),
    "dropped at the end": tnt.Hooks(
        on_start_epoch=meters, on_forward_criterion=measure, on_end_epoch=dropped
    ),
    "another iterator": tnt.Hooks(on_start_epoch=lambda s: aux(by_epoch(s))),
}


def train(hooks, **kwargs):
    job = {"network": tnt.network.Stateful(APPLY), "criterion": criterion}
    job |= {"iterator": tnt.DatasetIterator(BATCHES), "params": jnp.zeros(3)}
    return tnt.OptimEngine(hooks).train(
        **job, optimizer=ADAM, **{"max_epoch": 3} | kwargs
    )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (number > 0))
        for number, name in enumerate(BORN)
    ],
)
def test_a_run_goes_on_from_every_checkpoint(name, tmp_path):
    saved = tmp_path / "saved"
    hooks = tnt.chain(BORN[name], tnt.hooks.checkpoint(saved, every=2, keep=None))
    end = train(hooks)
    assert tnt.checkpoint.steps(saved) == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    found = entries(saved)
    for entry in reversed(found):
        for later in entries(saved):
            if later > entry:
                later.path.rename(tmp_path / f"{later.path.name}, {entry.path.name}")
        assert leaves(train(hooks, resume=saved)) == leaves(end), entry.path.name


def test_a_run_that_saves_between_epochs_alone_goes_on(tmp_path):
    hooks = tnt.chain(BORN["aux"], tnt.hooks.checkpoint(tmp_path))
    train(hooks, max_epoch=1)
    state = train(hooks, resume=tmp_path)
    assert int(state.aux["epochs"]) == 3


def test_on_start_epoch_sees_how_far_the_run_is_when_it_is_asked(tmp_path):
    seen = []
    look = tnt.Hooks(
        on_start_epoch=lambda s: seen.append((int(s.epoch), int(s.t))) or s
    )
    hooks = tnt.chain(look, BORN["meters"], tnt.hooks.checkpoint(tmp_path, every=7))
    train(hooks, max_epoch=2)
    del seen[:]
    train(hooks, resume=lambda like: tnt.checkpoint.restore(tmp_path, like, step=7))
    assert seen == [(1, 7), (1, 7), (2, 10)]


def test_what_no_hook_makes_before_the_first_update_is_named(tmp_path):
    late = tnt.Hooks(on_end_epoch=lambda s: s.replace(aux={"late": jnp.zeros(2)}))
    hooks = tnt.chain(late, tnt.hooks.checkpoint(tmp_path))
    train(hooks, max_epoch=1)
    with pytest.raises(ValueError, match="is of something else") as caught:
        train(hooks, resume=tmp_path)
    text = str(caught.value)
    assert "aux['late'] is float32[2] there, and not here" in text
    assert "must be there after on_start or on_start_epoch" in text
    assert tnt.checkpoint.steps(tmp_path) == [5]
