import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import tntjax as tnt


class Twice(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Dropout(0.5, rngs=rngs)
        self.second = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.second(self.first(x))


def test_two_dropouts_do_not_drop_the_same():
    network, params, model_state = tnt.network.nnx(Twice(nnx.Rngs(0)))
    input, key = jnp.ones((100, 100)), jax.random.key(0)
    output, after = network.apply(params, model_state, input, key=key, training=True)
    assert abs(float((output > 0).mean()) - 0.25) < 0.02  # of the same half: 0.5
    data = jax.random.key_data
    for old, new in zip(
        jax.tree.leaves(nnx.filter_state(model_state, nnx.RngKey)),
        jax.tree.leaves(nnx.filter_state(after, nnx.RngKey)),
        strict=True,
    ):
        assert np.array_equal(data(old), data(new))


def test_the_model_itself_stays_as_it_is():
    model = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    model.eval()
    network, params, model_state = tnt.network.nnx(model)
    input, key = jnp.arange(6.0).reshape(2, 3), jax.random.key(0)
    _, after = network.apply(params, model_state, input, key=key, training=True)
    assert model.use_running_average
    assert np.array_equal(model.mean[...], np.zeros(3))
    nnx.update(model, params, after)
    np.testing.assert_allclose(model.mean[...], 0.01 * input.mean(0), rtol=1e-5)
