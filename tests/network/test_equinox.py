import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import tntjax as tnt

INPUT = jnp.arange(12.0).reshape(4, 3)


class Shifted(eqx.Module):
    """An array that is no parameter, and no key."""

    weight: jax.Array
    order: jax.Array

    def __call__(self, x):
        return self.weight * x[self.order]


def apply(adapted, training=True, key=0):
    network, params, model_state = adapted
    key = jax.random.key(key)
    return network.apply(params, model_state, INPUT, key=key, training=training)


def test_integer_arrays_are_not_trained():
    model = Shifted(jnp.full(3, 2.0), jnp.array([2, 0, 1]))
    adapted = tnt.network.equinox(model)
    assert [leaf.dtype for leaf in jax.tree.leaves(adapted.params)] == [jnp.float32]
    output, (arrays, state) = apply(adapted)
    assert np.array_equal(output, 2 * INPUT[:, [2, 0, 1]])
    assert np.array_equal(arrays.order, model.order) and state is None


def test_each_example_has_a_key_of_its_own():
    adapted = tnt.network.equinox(eqx.nn.Dropout(0.5))
    network, params, model_state = adapted
    key, input = jax.random.key(0), jnp.ones((4, 50))
    output, _ = network.apply(params, model_state, input, key=key, training=True)
    assert len(np.unique(output, axis=0)) == 4
    output, _ = network.apply(params, model_state, input, key=key, training=False)
    assert np.array_equal(output, input)
