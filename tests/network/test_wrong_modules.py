"""What adapters say to what they are not for, and haiku's functions without a key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

eqx = pytest.importorskip("equinox")
hk = pytest.importorskip("haiku")
linen = pytest.importorskip("flax.linen")
nnx = pytest.importorskip("flax.nnx")

KEY = jax.random.key(0)
ONES = jnp.ones((2, 3))
DENSE = linen.Dense(2)
VARIABLES = DENSE.init(KEY, ONES)
LINEAR = eqx.nn.Linear(3, 2, key=KEY)
NORM = eqx.nn.BatchNorm(3, "batch", mode="batch")


class Stateful(eqx.Module):
    norm: eqx.Module

    def __call__(self, x, state):
        return self.norm(x, state)


@pytest.mark.parametrize(
    ("adapter", "given", "words"),
    [
        ("linen", (3, {}), "linen needs an instance of flax's Module, got 3"),
        ("linen", (linen.Dense, {}), "got Dense.* Pass an instance and not its class"),
        ("linen", (LINEAR, {}), r"That is for tnt.network.equinox\(model\)"),
        ("linen", (nnx.Linear(3, 2, rngs=nnx.Rngs(0)), {}), "That is for .*nnx"),
        ("linen", (DENSE, VARIABLES["params"]), "all that module.init returned"),
        ("linen", (DENSE, {"Dense_0": VARIABLES["params"]}), "Of parameters alone"),
        ("linen", (DENSE, None), "a dict of collections .*; got None"),
        ("linen", (DENSE, [VARIABLES]), "a dict of collections"),
        ("nnx", (3,), "nnx needs an instance of flax's Module, got 3"),
        ("nnx", (nnx.Linear,), "Pass an instance and not its class"),
        ("nnx", (DENSE,), r"That is for tnt.network.linen\(model, variables\)"),
        ("equinox", (3,), "equinox needs an instance of equinox's Module, got 3"),
        ("equinox", (max,), "equinox needs an instance of equinox's Module, got max"),
        ("equinox", (eqx.nn.Linear,), "Pass an instance and not its class"),
        ("equinox", (DENSE,), "That is for tnt.network.linen"),
        ("equinox", (Stateful(NORM),), r"make_with_state\(Stateful\)\(...\): tnt.netw"),
        ("equinox", ((LINEAR, None),), r"apart: tnt.network.equinox\(\*pair\)"),
        ("haiku", (max, {}), "of haiku's Transformed or TransformedWithState, got max"),
        (
            "haiku",
            (hk.multi_transform(lambda: (hk.Linear(2), (hk.Linear(2),))), {}),
            "got MultiTransformed",
        ),
        ("mixed_precision", (3,), "network must be a function"),
        ("mixed_precision", (DENSE,), "network is a module.*Adapt it"),
        ("mixed_precision", (max, None), "compute must be a floating-point dtype"),
    ],
)
def test_what_an_adapter_is_not_for(adapter, given, words):
    with pytest.raises(TypeError, match=words) as caught:
        getattr(tnt.network, adapter)(*given)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("stateful", [True, False])
def test_a_function_of_haiku_without_a_key(stateful):
    transform = hk.transform_with_state if stateful else hk.transform

    def function(x, is_training):
        return hk.Linear(2)(x) * (2 if is_training else 1)

    plain, bare = transform(function), hk.without_apply_rng(transform(function))
    made = plain.init(KEY, ONES, True)
    made = made if stateful else (made,)
    for training in (True, False):
        outputs = []
        for transformed in (plain, bare):
            network, params, state = tnt.network.haiku(transformed, *made)
            output, _ = network.apply(params, state, ONES, key=KEY, training=training)
            outputs.append(np.asarray(output))
        np.testing.assert_array_equal(*outputs)


class Sowing(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Dense(2)(x)
        self.sow("losses", "size", jnp.sum(x**2))
        return x


def test_values_that_are_sown_have_a_way_out():
    """`sow` adds a value in each call; what is carried must stay as it is."""
    module = Sowing()
    variables = module.init(KEY, ONES)
    network, params, state = tnt.network.linen(module, variables)
    with pytest.raises(TypeError, match="its collection 'losses', as `sow` does"):
        network.apply(params, state, ONES, key=KEY, training=True)
    others = {k: v for k, v in variables.items() if k != "losses"}
    network, params, state = tnt.network.linen(module, others)
    output, after = network.apply(params, state, ONES, key=KEY, training=True)
    np.testing.assert_allclose(output, module.apply(others, ONES), rtol=1e-6)
    assert after == {}


class SowingTheLast(linen.Module):
    @linen.compact
    def __call__(self, x):
        def last(_, new):
            return new

        self.sow("losses", "size", jnp.sum(x), init_fn=lambda: 0.0, reduce_fn=last)
        return x


def test_the_last_value_that_is_sown_is_kept():
    module = SowingTheLast()
    network, params, state = tnt.network.linen(module, module.init(KEY, ONES))
    _, after = network.apply(params, state, 2 * ONES, key=KEY, training=True)
    assert float(after["losses"]["size"]) == 12
