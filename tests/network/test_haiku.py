import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

ONES = jnp.ones((2, 3))
KEY = jax.random.key(0)


def test_a_function_without_state_or_flag():
    linear = hk.transform(lambda x: hk.Linear(2)(x))
    network, params, model_state = tnt.network.haiku(linear, linear.init(KEY, ONES))
    assert model_state is None
    output, after = network.apply(params, None, ONES, key=KEY, training=True)
    assert np.array_equal(output, linear.apply(params, None, ONES)) and after is None


@pytest.mark.parametrize("training", [False, True])
def test_a_flag_of_another_name(training):
    function = hk.transform(lambda x, learning: x * learning)
    network, params, _ = tnt.network.haiku(function, {}, training="learning")
    output, _ = network.apply(params, None, ONES, key=KEY, training=training)
    assert np.array_equal(output, training * ONES)


@pytest.mark.parametrize(
    ("transform", "state"), [(hk.transform, {}), (hk.transform_with_state, None)]
)
def test_a_state_goes_with_transform_with_state(transform, state):
    with pytest.raises(TypeError, match="needs the state that hk.transform_with_state"):
        tnt.network.haiku(transform(lambda x: x), {}, state)
