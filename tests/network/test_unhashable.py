"""Modules with lists and dicts in them, which have no hash, are trained as others."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

INPUT = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
ITERATOR = tnt.DatasetIterator([{"input": INPUT, "target": INPUT[:, :2]}] * 3)


def squared(output, target):
    return jnp.mean((output - target) ** 2, -1)


def linen_sequential():
    nn = pytest.importorskip("flax.linen")
    module = nn.Sequential([nn.Dense(4), nn.relu, nn.Dense(2)])
    variables = module.init(jax.random.key(0), INPUT)
    return lambda: tnt.network.linen(module, variables)


def linen_features():
    nn = pytest.importorskip("flax.linen")

    def setup(self):
        self.layers = [nn.Dense(n, **self.options) for n in self.features]

    def call(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    body = {"setup": setup, "__call__": call}
    body["__annotations__"] = {"features": list, "options": dict}
    body["__module__"] = __name__
    cls = types.new_class("MLP", (nn.Module,), exec_body=lambda ns: ns.update(body))
    module = cls([4, 2], {"use_bias": False})
    variables = module.init(jax.random.key(0), INPUT)
    return lambda: tnt.network.linen(module, variables)


def nnx_settings():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self):
            self.layer = nnx.Linear(3, 2, rngs=nnx.Rngs(0))
            self.settings, self.sizes = {"scale": 2.0}, [3, 2]

        def __call__(self, x):
            return self.layer(x) * self.settings["scale"]

    model = Model()
    return lambda: tnt.network.nnx(model)


def equinox_layers():
    eqx = pytest.importorskip("equinox")

    class Model(eqx.Module):
        layers: list

        def __init__(self):
            first, second = jax.random.split(jax.random.key(0))
            self.layers = [eqx.nn.Linear(3, 4, key=first), jax.nn.relu]
            self.layers += [eqx.nn.Linear(4, 2, key=second)]

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model = Model()
    return lambda: tnt.network.equinox(model)


def equinox_static():
    eqx = pytest.importorskip("equinox")

    class Model(eqx.Module):
        layer: eqx.nn.Linear
        settings: dict = eqx.field(static=True)

        def __call__(self, x):
            return self.layer(x) * self.settings["scale"]

    layer = eqx.nn.Linear(3, 2, key=jax.random.key(0))
    model = Model(layer, {"scale": 2.0})
    return lambda: tnt.network.equinox(model)


MODULES = [
    linen_sequential,
    linen_features,
    nnx_settings,
    equinox_layers,
    equinox_static,
]


@pytest.mark.slow
@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_trains(make, accumulate):
    adapted = make()()
    how = {"criterion": squared, "iterator": ITERATOR, "lr": 0.1}
    hooks = tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda s: s.loss))
    state = tnt.SGDEngine(hooks).train(
        network=adapted, **how, max_epoch=3, accumulate=accumulate
    )
    before = tnt.SGDEngine(hooks).test(
        network=adapted, criterion=squared, iterator=ITERATOR
    )
    loss, first = (s.meters["loss"].value().mean for s in (state, before))
    assert loss < first
    plain = tnt.SGDEngine(hooks).train(
        network=adapted, **how, max_epoch=3, accumulate=accumulate, jit=False
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        state.params,
        plain.params,
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", MODULES)
def test_it_is_compiled_once(make):
    """Also where the same module is adapted a second time."""
    compiled = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    how = {"criterion": squared, "iterator": ITERATOR, "lr": 0.1, "max_epoch": 1}
    adapt = make()
    tnt.SGDEngine().train(network=adapt(), **how)
    adapted = adapt()
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        tnt.SGDEngine().train(network=adapted, **how)
    finally:
        jax.monitoring.clear_event_listeners()
    assert not compiled
