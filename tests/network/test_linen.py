import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

ONES = jnp.ones((4, 6))


class Noisy(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        noise = jax.random.normal(self.make_rng("noise"), x.shape)
        x = nn.Dropout(0.5, deterministic=deterministic)(x)
        return x if deterministic else x + noise


class Named(nn.Module):
    def __call__(self, x, learning):
        return x * learning


def call(adapted, training, key=0):
    network, params, model_state = adapted
    key = jax.random.key(key)
    output, _ = network.apply(params, model_state, ONES, key=key, training=training)
    return np.asarray(output)


def test_the_opposite_of_a_training_flag_and_any_stream_of_random_numbers():
    adapted = tnt.network.linen(Noisy(), {})
    assert np.array_equal(call(adapted, False), ONES)
    assert not np.isin(call(adapted, True), [0.0, 2.0]).any()
    assert not np.array_equal(call(adapted, True), call(adapted, True, key=1))


@pytest.mark.parametrize("training", [False, True])
def test_a_flag_of_another_name(training):
    adapted = tnt.network.linen(Named(), {}, training="learning")
    assert np.array_equal(call(adapted, training), training * ONES)


def test_a_module_without_flag_or_state():
    module = nn.Sequential([nn.Dense(3), nn.relu])
    variables = module.init(jax.random.key(0), ONES)
    adapted = tnt.network.linen(module, variables)
    assert adapted.model_state == {}
    np.testing.assert_allclose(
        call(adapted, True), module.apply(variables, ONES), rtol=1e-6
    )


class Asking(nn.Module):
    @nn.compact
    def __call__(self, x):
        name = "noise" if self.has_rng("noise") else "dropout"
        return x + self.has_rng("dropout") + jax.random.normal(self.make_rng(name), ())


def test_a_module_may_ask_for_its_streams():
    """`has_rng` is true of the stream of dropout, and of others that are named."""
    module = Asking()
    outputs = [
        call(tnt.network.linen(module, {}, **named), True)
        for named in ({}, {"streams": ["noise"]}, {"streams": ["dropout", "noise"]})
    ]
    assert len({float(output[0, 0]) for output in outputs}) == 3
    with pytest.raises(TypeError, match=r"streams must be a list, such as \['noise'\]"):
        tnt.network.linen(module, {}, streams="noise")


class Cell(nn.Module):
    @nn.compact
    def __call__(self, carry, x):
        return carry, nn.Dropout(0.5, deterministic=False)(x)


def test_a_scanned_module_drops_anew_in_each_step():
    scanned = nn.scan(
        Cell,
        variable_broadcast="params",
        split_rngs={"params": False, "dropout": True},
        in_axes=1,
        out_axes=1,
    )

    class Over(nn.Module):
        @nn.compact
        def __call__(self, x):
            return scanned()(jnp.zeros(()), x)[1]

    adapted = tnt.network.linen(Over(), {})
    network, params, state = adapted
    ones = jnp.ones((1, 64, 1))
    output, _ = network.apply(params, state, ones, key=jax.random.key(0), training=True)
    assert set(np.unique(output)) == {0.0, 2.0}
