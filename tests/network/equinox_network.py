import equinox as eqx
import jax
import jax.numpy as jnp

import tntjax as tnt


class Network(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    dense: eqx.nn.Linear

    def __init__(self, rate):
        keys = jax.random.split(jax.random.key(0))
        self.conv = eqx.nn.Conv2d(
            1, 8, 3, stride=3, padding=1, use_bias=False, key=keys[0]
        )
        self.norm = eqx.nn.BatchNorm(8, "batch", momentum=0.9, mode="batch")
        self.dropout = eqx.nn.Dropout(rate)
        self.dense = eqx.nn.Linear(10 * 10 * 8, 10, key=keys[1])

    def __call__(self, x, state, *, key):
        x, state = self.norm(self.conv(jnp.moveaxis(x, -1, 0)), state)
        x = self.dropout(jax.nn.relu(x).reshape(-1), key=key)
        return self.dense(x), state


def make(rate):
    return eqx.nn.make_with_state(Network)(rate)


def adapt(rate):
    return tnt.network.equinox(*make(rate))


def step_by_hand(criterion, batch, lr):
    model, state = make(0.0)

    @eqx.filter_grad(has_aux=True)
    def gradients(model, state):
        one = lambda x, s: model(x, s, key=jax.random.key(0))  # noqa: E731
        many = jax.vmap(one, (0, None), (0, None), axis_name="batch")
        output, state = many(batch["input"], state)
        return criterion(output, batch["target"]).mean(), state

    grads, state = gradients(model, state)
    model = eqx.apply_updates(model, jax.tree.map(lambda g: -lr * g, grads))
    return eqx.filter(model, eqx.is_inexact_array), state


def restored(rate, state):
    model = eqx.nn.inference_mode(eqx.combine(state.params, make(rate)[0]))
    one = lambda x: model(x, state.model_state[1], key=None)[0]  # noqa: E731
    return jax.vmap(one, axis_name="batch")
