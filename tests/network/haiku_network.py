import functools

import haiku as hk
import jax
import jax.numpy as jnp

import tntjax as tnt


def network(x, is_training, rate):
    x = hk.Conv2D(8, 3, stride=3, with_bias=False)(x)
    x = jax.nn.relu(hk.BatchNorm(True, True, decay_rate=0.9)(x, is_training))
    x = x.reshape(len(x), -1)
    x = hk.dropout(hk.next_rng_key(), rate, x) if is_training else x
    return hk.Linear(10)(x)


@functools.cache  # each transformation is another
def transform(rate):
    return hk.transform_with_state(functools.partial(network, rate=rate))


def make(rate):
    transformed = transform(rate)
    init = transformed.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), True)
    return transformed, *init


def adapt(rate):
    return tnt.network.haiku(*make(rate))


def step_by_hand(criterion, batch, lr):
    transformed, params, state = make(0.0)

    def loss(params):
        key = jax.random.key(0)
        output, after = transformed.apply(params, state, key, batch["input"], True)
        return criterion(output, batch["target"]).mean(), after

    grads, state = jax.grad(loss, has_aux=True)(params)
    return jax.tree.map(lambda p, g: p - lr * g, params, grads), state


def restored(rate, state):
    apply = make(rate)[0].apply
    return lambda x: apply(state.params, state.model_state, None, x, False)[0]
