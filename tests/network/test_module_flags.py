"""Modules that are told by an argument whether they are in training."""

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import tntjax as tnt


def outputs(adapted, input):
    """What a network makes of ones in training, and in a test."""
    network, params, model_state = adapted
    key = jax.random.key(0)
    return [
        network.apply(params, model_state, input, key=key, training=training)[0]
        for training in (True, False)
    ]


def drops(adapted, input):
    training, test = outputs(adapted, input)
    return bool((training == 0).any()), bool((test == 0).any())


def test_linen():
    class Module(nn.Module):
        @nn.compact
        def __call__(self, x, is_train=True):
            return nn.Dropout(0.5, deterministic=not is_train)(x)

    with pytest.raises(TypeError, match="tnt.network.linen: .* takes is_train=True"):
        tnt.network.linen(Module(), {})
    adapted = tnt.network.linen(Module(), {}, training="is_train")
    assert drops(adapted, jnp.ones((8, 9))) == (True, False)


def test_haiku():
    def apply(x, is_train=True):
        return hk.dropout(hk.next_rng_key(), 0.5, x) if is_train else x

    for transform, state in ((hk.transform, ()), (hk.transform_with_state, ({},))):
        function = transform(apply)
        with pytest.raises(
            TypeError, match="tnt.network.haiku: .* takes is_train=True"
        ):
            tnt.network.haiku(function, {}, *state)
        adapted = tnt.network.haiku(function, {}, *state, training="is_train")
        assert drops(adapted, jnp.ones((8, 9))) == (True, False)


def test_nnx():
    class Module(nnx.Module):
        def __init__(self):
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    class Known(Module):
        def __call__(self, x, train=True):
            return self.dropout(x, deterministic=not train)

    class Unknown(Module):
        def __call__(self, x, is_train=True):
            return self.dropout(x, deterministic=not is_train)

    input = jnp.ones((8, 9))
    assert drops(tnt.network.nnx(Known()), input) == (True, False)
    with pytest.raises(TypeError, match="tnt.network.nnx: .* takes is_train=True"):
        tnt.network.nnx(Unknown())
    adapted = tnt.network.nnx(Unknown(), training="is_train")
    assert drops(adapted, input) == (True, False)
    assert drops(tnt.network.nnx(Module().dropout), input) == (True, False)


def test_equinox():
    class Known(eqx.Module):
        dropout: eqx.nn.Dropout

        def __call__(self, x, *, key, train=True):
            return self.dropout(x, key=key, inference=not train)

    class Unknown(eqx.Module):
        dropout: eqx.nn.Dropout

        def __call__(self, x, *, key, is_train=True):
            return self.dropout(x, key=key, inference=not is_train)

    input, dropout = jnp.ones((8, 9)), eqx.nn.Dropout(0.5)
    assert drops(tnt.network.equinox(Known(dropout)), input) == (True, False)
    with pytest.raises(TypeError, match="tnt.network.equinox: .* takes is_train=True"):
        tnt.network.equinox(Unknown(dropout))
    adapted = tnt.network.equinox(Unknown(dropout), training="is_train")
    assert drops(adapted, input) == (True, False)
    assert drops(tnt.network.equinox(dropout), input) == (True, False)
