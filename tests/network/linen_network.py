import flax.linen as nn
import jax
import jax.numpy as jnp

import tntjax as tnt


class Network(nn.Module):
    rate: float

    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(8, (3, 3), strides=3, use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = x.reshape(len(x), -1)
        return nn.Dense(10)(nn.Dropout(self.rate, deterministic=not train)(x))


def adapt(rate):
    module = Network(rate)
    variables = module.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    return tnt.network.linen(module, variables)


def step_by_hand(criterion, batch, lr):
    module = Network(0.0)
    variables = module.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)

    def loss(params):
        output, state = module.apply(
            variables | {"params": params}, batch["input"], True, mutable="batch_stats"
        )
        return criterion(output, batch["target"]).mean(), state

    grads, state = jax.grad(loss, has_aux=True)(variables["params"])
    params = jax.tree.map(lambda p, g: p - lr * g, variables["params"], grads)
    return params, state


def restored(rate, state):
    module, variables = Network(rate), {"params": state.params, **state.model_state}
    return lambda input: module.apply(variables, input, train=False)
