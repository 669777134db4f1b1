"""Groups of parameters: labels of optax.partition over modules of other libraries."""

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import core, nnx

import tntjax as tnt

LABELS = {"body": "frozen", "head": "trained"}
BATCH = {"input": jnp.arange(8.0).reshape(4, 2) % 3, "target": jnp.ones(4)}


def criterion(output, target):
    return (output[:, 0] - target) ** 2


def trained(adapted, labels):
    parts = {"frozen": optax.set_to_zero(), "trained": optax.adam(0.01)}
    return tnt.OptimEngine().train(
        network=adapted,
        criterion=criterion,
        iterator=tnt.DatasetIterator([BATCH] * 3),
        optimizer=optax.partition(parts, labels),
        max_epoch=1,
    )


def moved(before, after):
    return not np.array_equal(np.asarray(before), np.asarray(after))


def make_nnx():
    class Layers(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(2, 4, rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)

        def __call__(self, x):
            return self.norm(self.first(x))

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.body = Layers(rngs)
            self.head = nnx.Linear(4, 1, rngs=rngs)

        def __call__(self, x):
            return self.head(nnx.tanh(self.body(x)))

    return Net(nnx.Rngs(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        {"body": {"first": "frozen", "norm": "frozen"}, "head": "trained"},
        {"body": "frozen", "head": {"kernel": "trained", "bias": "trained"}},
        lambda params: {name: LABELS[name] for name in params},
    ],
    ids=["upper part", "deeper", "to the leaves", "a function"],
)
def test_nnx_takes_a_dict_by_its_own_names(labels):
    adapted = tnt.network.nnx(make_nnx())
    params = trained(adapted, labels).params
    for name, group in (("body", "frozen"), ("head", "trained")):
        pairs = zip(
            jax.tree.leaves(adapted.params[name]),
            jax.tree.leaves(params[name]),
            strict=True,
        )
        assert {moved(*pair) for pair in pairs} == {group == "trained"}


def test_nnx_takes_back_what_was_trained():
    model = make_nnx()
    state = trained(tnt.network.nnx(model), LABELS)
    kernel = np.array(model.head.kernel[...])
    nnx.update(model, state.params, state.model_state)
    assert moved(kernel, model.head.kernel[...])
    assert type(model.head.kernel) is nnx.Param


def test_nnx_numbers_the_layers_of_a_list():
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.Linear(2, 4, rngs=rngs), nnx.Linear(4, 1, rngs=rngs))
    adapted = tnt.network.nnx(model)
    params = trained(adapted, {"layers": {0: "frozen", 1: "trained"}}).params["layers"]
    before = adapted.params["layers"]
    assert not moved(before[0]["kernel"], params[0]["kernel"])
    assert moved(before[1]["kernel"], params[1]["kernel"])


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True])
def test_linen_takes_a_dict_by_its_own_names(frozen):
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            x = nn.Dense(4, name="body")(x)
            x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
            return nn.Dense(1, name="head")(x)

    module = Net()
    variables = module.init(jax.random.key(0), BATCH["input"])
    variables = core.freeze(variables) if frozen else variables
    adapted = tnt.network.linen(module, variables)
    state = trained(adapted, {**LABELS, "norm": "trained"})
    before, after = adapted.params, state.params
    assert not moved(before["body"]["kernel"], after["body"]["kernel"])
    assert moved(before["head"]["kernel"], after["head"]["kernel"])
    assert module.apply({"params": after, **state.model_state}, BATCH["input"]).shape


@pytest.mark.slow
def test_equinox_takes_a_module_with_labels_in_the_place_of_parts():
    class Net(eqx.Module):
        body: eqx.nn.Linear
        head: eqx.nn.Linear

        def __call__(self, x):
            return self.head(jax.nn.tanh(self.body(x)))

    one, two = jax.random.split(jax.random.key(0))
    model = Net(eqx.nn.Linear(2, 4, key=one), eqx.nn.Linear(4, 1, key=two))
    adapted = tnt.network.equinox(model)
    names = ("frozen", "trained")
    labels = eqx.tree_at(lambda m: (m.body, m.head), adapted.params, names)
    params = trained(adapted, lambda params: labels).params  # modules are callable
    assert not moved(model.body.weight, params.body.weight)
    assert moved(model.head.weight, params.head.weight)
    assert eqx.combine(params, model)(jnp.ones(2)).shape == (1,)


@pytest.mark.slow
def test_haiku_takes_a_dict_by_its_own_names():
    net = hk.transform(
        lambda x: hk.Linear(1, name="head")(hk.Linear(4, name="body")(x))
    )
    adapted = tnt.network.haiku(net, net.init(jax.random.key(0), BATCH["input"]))
    params = trained(adapted, LABELS).params
    assert not moved(adapted.params["body"]["w"], params["body"]["w"])
    assert moved(adapted.params["head"]["w"], params["head"]["w"])
