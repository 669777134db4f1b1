"""Modules of other libraries that nobody adapted are errors that name the adapter."""

import jax
import numpy as np
import pytest

import tntjax as tnt


def linen(flax):
    return flax.linen.Dense(3)


def nnx(flax):
    return flax.nnx.Linear(5, 3, rngs=flax.nnx.Rngs(0))


def equinox(library):
    return library.nn.MLP(5, 3, 4, 1, key=jax.random.key(0))


def haiku(library):
    return library.transform(lambda x: library.Linear(3)(x))


MODULES = {"linen": "flax", "nnx": "flax", "equinox": "equinox", "haiku": "haiku"}


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["network", "params"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_names_its_adapter(name, argument):
    library = pytest.importorskip(MODULES[name])
    if MODULES[name] == "flax":
        pytest.importorskip(f"flax.{name}")
    module = {"linen": linen, "nnx": nnx, "equinox": equinox, "haiku": haiku}[name]
    job = {
        "network": lambda params, input: input,
        "criterion": lambda output, target: output.mean(),
        "iterator": tnt.DatasetIterator([{"input": np.ones(5), "target": np.ones(3)}]),
        "params": {"w": np.ones(3)},
        "lr": 0.1,
    }
    words = f"{argument} is a module.*tnt.network.{name}"
    with pytest.raises(TypeError, match=words) as caught:
        tnt.SGDEngine().train(**job | {argument: module(library)})
    assert len(str(caught.value)) < 800
