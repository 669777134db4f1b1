"""What a summary refuses, and what to write instead."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt

ONES = jnp.ones((2, 2))


def network(params, input):
    return input @ params


def criterion(output, target):
    return ((output - target) ** 2).mean()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"network": 3}, "network must be a function"),
        ({"params": None}, r"summary needs params=\.\.\., a pytree of float arrays"),
        ({"params": {"a": "text"}}, r"params\['a'\] is 'text', but parameters must be"),
        ({"params": {"a": jnp.arange(3)}}, "parameters must be floating point"),
        (
            {"params": {"a": jax.ShapeDtypeStruct((3,), "int32")}},
            r"params\['a'\] is int32\[3\], but parameters must be floating point",
        ),
        (
            {"params": jax.eval_shape(jax.random.key, 0)},
            "parameters must be floating point",
        ),
        ({"input": ["text"]}, r"input\[0\] is 'text', but must be an array or its sha"),
        (
            {"input": np.array(["a"])},
            r"input is .*U1\[1\], but must be an array or its",
        ),
        ({"model_state": {"a": max}}, r"model_state\['a'\] is max, but must be"),
        ({"input": (64, 784)}, r"input is \(64, 784\), but .* jax.ShapeDtypeStruct"),
        ({"target": "text"}, "target is 'text', but must be an array or its shape"),
        ({"target": ONES}, "target= is for the train step, which needs criterion= as"),
        (
            {"optimizer": optax.adam(0.1)},
            "optimizer= is for the train step, which needs criterion= as well",
        ),
        (
            {"criterion": criterion, "input": None},
            "criterion= is for the train step, which needs input= as well",
        ),
        (
            {"criterion": criterion},
            r"criterion takes \(output, target\): pass target=, an array or its shape",
        ),
        ({"criterion": 3, "target": ONES}, "criterion must be a function, but it is 3"),
        (
            {"criterion": criterion, "target": ONES, "optimizer": 0.1},
            "optimizer must be an optimizer of optax, such as",
        ),
        ({"depth": "1"}, "depth must be an integer, got '1'"),
    ],
)
def test_what_is_of_a_wrong_kind(given, words):
    arguments = {"network": network, "params": ONES, "input": ONES} | given
    with pytest.raises(TypeError, match=words):
        tnt.summary(**arguments)


@pytest.mark.parametrize("name", ["depth", "max_rows"])
def test_numbers_are_at_least_one(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        tnt.summary(network, ONES, **{name: 0})


def test_an_error_of_the_network_names_the_shapes():
    with pytest.raises(TypeError) as caught:
        tnt.summary(network, jnp.ones((3, 2)), ONES)
    assert caught.value.__notes__[0] == (
        "This happened in network(params, input) with params = float32[3,2] and input ="
        " float32[2,2]."
    )


def test_a_criterion_may_take_the_output_alone():
    step = {"criterion": lambda output: output.mean()}
    assert "train step" in tnt.summary(network, ONES, ONES, **step).costs
