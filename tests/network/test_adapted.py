"""An adapted module as the network of an engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax.network import Adapted, Stateful


def centre(params, mean, input, *, key, training):
    mean = 0.5 * mean + 0.5 * input.mean(0) if training else mean
    return (input - mean) @ params, mean


ADAPTED = Adapted(Stateful(centre), jnp.ones((3, 2)), jnp.zeros(3))
BATCHES = tnt.DatasetIterator([{"input": np.eye(3), "target": np.ones((3, 2))}] * 4)
HOW = {"criterion": lambda o, t: ((o - t) ** 2).mean(-1), "iterator": BATCHES}
TRAINED = {**HOW, "lr": 0.1, "max_epoch": 2}
LOSS = tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda state: state.loss))
ENGINE = tnt.SGDEngine(LOSS)


def same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_its_parts_are_found():
    network, params, model_state = ADAPTED
    apart = {"network": network, "params": params, "model_state": model_state}
    expected = ENGINE.train(**apart, **TRAINED)
    state = ENGINE.train(network=ADAPTED, **TRAINED)
    same((state.params, state.model_state), (expected.params, expected.model_state))
    assert state.network is network
    tests = [ENGINE.test(**given, **HOW) for given in (apart, {"network": ADAPTED})]
    assert tests[0].meters["loss"].value() == tests[1].meters["loss"].value()


def test_other_parameters_count_before_its_own():
    params = jnp.zeros((3, 2))
    network, _, model_state = ADAPTED
    given = {"params": params, "model_state": model_state}
    expected = ENGINE.train(network=network, **given, **TRAINED)
    state = ENGINE.train(network=ADAPTED, **given, **TRAINED)
    same(state.params, expected.params)


def test_parameters_without_the_statistics_that_belong_to_them():
    state = ENGINE.train(network=ADAPTED, **TRAINED)
    for call in (ENGINE.train, ENGINE.test):
        how = TRAINED if call == ENGINE.train else HOW
        with pytest.raises(TypeError, match="pass model_state=state.model_state as"):
            call(network=ADAPTED, params=state.params, **how)
    bare = Adapted(Stateful(lambda p, s, x, *, key, training: (x @ p, s)), 0.0, {})
    test = ENGINE.test(network=bare, params=jnp.ones((3, 2)), **HOW)
    assert test.meters["loss"].value().mean == 0


def test_a_stateful_network_without_its_state_is_told_of_where_it_fails():
    with pytest.raises(TypeError) as caught:
        ENGINE.test(network=ADAPTED.network, params=jnp.ones((3, 2)), **HOW)
    assert any("had no model_state" in note for note in caught.value.__notes__)
    with pytest.raises(TypeError) as caught:
        ENGINE.test(network=ADAPTED.network, params=3, model_state=(), **HOW)
    assert not any("had no model_state" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("engine", [tnt.SGDEngine, tnt.OptimEngine])
def test_going_on_from_a_state_its_parts_do_not_count(engine):
    job = {name: TRAINED[name] for name in ("criterion", "iterator")}
    if engine is tnt.OptimEngine:
        import optax

        job["optimizer"] = optax.adam(0.1)
    rate = {} if engine is tnt.OptimEngine else {"lr": 0.1}
    whole = engine().train(network=ADAPTED, **job, **rate, max_epoch=2)
    half = engine().train(network=ADAPTED, **job, **rate, max_epoch=1)
    state = engine().train(network=ADAPTED, **job, max_epoch=2, state=half)
    same((state.params, state.model_state), (whole.params, whole.model_state))


def test_it_may_compute_in_another_type():
    mixed = tnt.network.mixed_precision(ADAPTED)
    assert isinstance(mixed, Adapted) and mixed.params is ADAPTED.params
    expected = tnt.network.mixed_precision(ADAPTED.network)
    assert mixed.network == expected
    assert ENGINE.train(network=mixed, **TRAINED).params.dtype == np.float32
