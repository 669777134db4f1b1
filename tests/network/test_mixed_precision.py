import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt

KEY = jax.random.key(0)


def seen(dtypes):
    def network(params, input):
        dtypes.append((params["scale"].dtype, input["x"].dtype, input["n"].dtype))
        return params["scale"] * input["x"][input["n"]]

    return network


def test_floating_point_is_cast_on_the_way_in_and_back_on_the_way_out():
    dtypes, params = [], {"scale": jnp.float32(1 / 3)}
    network = tnt.network.mixed_precision(seen(dtypes), jnp.float16)
    input = {"x": np.ones(3, np.float32), "n": np.arange(2)}

    def total(params):
        output, state = network.apply(params, None, input, key=KEY, training=True)
        assert output.dtype == jnp.float32 and state is None
        return output.sum()

    value, grads = jax.value_and_grad(total)(params)
    assert dtypes[0][:2] == (jnp.float16, jnp.float16)
    assert jnp.issubdtype(dtypes[0][2], jnp.integer)
    assert float(value) == 2 * float(np.float16(1 / 3))
    assert grads["scale"].dtype == jnp.float32 and float(grads["scale"]) == 2.0


def test_the_model_state_keeps_its_type():
    def apply(params, model_state, input, *, key, training):
        return input, {"mean": input.mean(), "count": model_state["count"] + 1}

    network = tnt.network.mixed_precision(tnt.network.Stateful(apply))
    state = {"mean": jnp.float32(0), "count": jnp.int32(0)}
    _, after = network.apply(None, state, jnp.ones(3), key=KEY, training=True)
    assert (after["mean"].dtype, after["count"].dtype) == (jnp.float32, jnp.int32)
    assert int(after["count"]) == 1


def test_the_same_network_twice_is_equal():
    assert tnt.network.mixed_precision(max) == tnt.network.mixed_precision(max)
    assert tnt.network.mixed_precision(max) != tnt.network.mixed_precision(min)


def test_an_integer_is_no_type_to_compute_in():
    with pytest.raises(TypeError, match="compute must be a floating-point dtype"):
        tnt.network.mixed_precision(max, jnp.int8)
    with pytest.raises(TypeError, match="such as jnp.bfloat16, got 'bf16'"):
        tnt.network.mixed_precision(max, "bf16")
