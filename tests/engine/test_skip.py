"""A step that a hook asks to skip changes nothing but aux, key and the counters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tests.engine.conftest import network

ADAM = optax.adam(0.1)


def start(state):
    return state.replace(
        meters={"loss": tnt.AverageValueMeter()},
        aux={"seen": jnp.int32(0)},
        large={"last": jax.tree.map(jnp.zeros_like, state.params)},
    )


def measure(state):
    return state.replace(meters={"loss": state.meters["loss"].add(state.loss)})


def skip_odd(state):
    aux = {"seen": state.aux["seen"] + 1}
    return state.replace(skip=state.t % 2 == 1, aux=aux)


def keep(state):
    return state.replace(large={"last": state.grads})


def train(problem, hooks, batches, **how):
    def apply(params, model_state, input, *, key, training):
        return network(params, input), model_state + 1

    given = problem.job(network=tnt.network.Stateful(apply), iterator=batches)
    del given["lr"]
    given |= {"model_state": jnp.int32(0), "optimizer": ADAM, "max_epoch": 1}
    return tnt.OptimEngine(hooks).train(**given, **how)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"jit": False}, {"steps_per_call": 3}])
def test_a_skipped_step_did_not_happen(problem, how):
    common = tnt.Hooks(on_start=start, on_forward_criterion=measure)
    skipping = tnt.Hooks(on_backward=skip_odd)
    dataset = tnt.BatchDataset(problem.dataset(), 8)
    even = tnt.ListDataset([0, 2, 4, 6], dataset.__getitem__)
    hooks = tnt.chain(common, tnt.Hooks(on_backward=keep), skipping)
    state = train(problem, hooks, tnt.DatasetIterator(dataset), **how)
    hooks = tnt.chain(common, tnt.Hooks(on_backward=keep))
    expected = train(problem, hooks, tnt.DatasetIterator(even), **how)
    for name in ("params", "opt_state", "model_state", "meters", "large"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            getattr(state, name),
            getattr(expected, name),
        )
    assert (int(state.t), int(state.samples), int(state.aux["seen"])) == (7, 53, 7)
    assert int(state.model_state) == 4


def change_all(state):
    """What a hook may change beside what the step computes."""
    return state.replace(
        lr=state.lr * 2,
        lr_criterion=state.lr_criterion * 3,
        params=jax.tree.map(lambda p: p + 1, state.params),
        large={"last": jax.tree.map(lambda p: p + 1, state.large["last"])},
        meters={"loss": state.meters["loss"].add(1.0)},
        aux={"seen": state.aux["seen"] + 1},
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"jit": False}, {"steps_per_call": 3}])
@pytest.mark.parametrize("event", ["on_sample", "on_backward", "on_update"])
@pytest.mark.parametrize("sets", ["on_backward", "on_update"])
def test_what_hooks_did_in_a_skipped_step_is_undone(problem, how, event, sets):
    skip = tnt.Hooks(**{sets: lambda s: s.replace(skip=jnp.asarray(True))})
    hooks = tnt.chain(tnt.Hooks(on_start=start), tnt.Hooks(**{event: change_all}), skip)
    given = problem.job(max_epoch=1, **how)
    state = tnt.SGDEngine(hooks).train(**given)
    assert not np.any(state.params["weight"])
    assert not np.any(state.large["last"]["weight"])
    assert float(state.lr) == pytest.approx(0.1)
    assert float(state.lr_criterion) == pytest.approx(0.1)
    assert int(state.meters["loss"].n) == 0
    assert (int(state.t), int(state.samples), int(state.aux["seen"])) == (7, 53, 7)


def test_hooks_of_on_update_see_the_parameters_of_a_skipped_step_put_back(problem):
    def see(state):
        changed = jnp.any(state.params["weight"] != 0).astype(jnp.int32)
        return state.replace(aux={"seen": state.aux["seen"] + changed})

    skip = tnt.Hooks(on_backward=lambda s: s.replace(skip=jnp.asarray(True)))
    hooks = tnt.chain(tnt.Hooks(on_start=start, on_update=see), skip)
    state = tnt.SGDEngine(hooks).train(**problem.job())
    assert int(state.aux["seen"]) == 0


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_sample_may_ask_to_be_skipped(problem, accumulate):
    hooks = tnt.Hooks(on_sample=lambda s: s.replace(skip=jnp.asarray(True)))
    state = tnt.SGDEngine(hooks).train(**problem.job(accumulate=accumulate))
    assert not np.any(state.params["weight"])


def test_a_piece_may_not_ask_to_be_skipped(problem):
    hooks = tnt.Hooks(on_forward=lambda s: s.replace(skip=jnp.asarray(True)))
    with pytest.raises(TypeError, match="Set it in on_backward, which fires once"):
        tnt.SGDEngine(hooks).train(**problem.job(accumulate=2))


def test_skip_is_one_truth_value(problem):
    hooks = tnt.Hooks(on_backward=lambda state: state.replace(skip=state.loss > 1))
    with pytest.raises(TypeError, match=r"state.skip must be a \[\] bool, got bool\[8"):
        tnt.SGDEngine(hooks).train(**problem.job())


@pytest.mark.slow
def test_what_is_large_is_carried_and_hidden_from_a_watch(problem):
    seen = []
    hooks = tnt.chain(
        tnt.Hooks(on_start=start, on_backward=keep, on_forward_criterion=measure),
        tnt.watch(3, lambda state: seen.append(state.large)),
    )
    state = tnt.SGDEngine(hooks).train(**problem.job())
    assert np.any(state.large["last"]["weight"])
    assert seen == [None] * 4
