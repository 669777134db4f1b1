import jax
from flax import nnx

import tntjax as tnt


class Network(nnx.Module):
    def __init__(self, rate, rngs):
        self.conv = nnx.Conv(1, 8, (3, 3), strides=3, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(8, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(rate, rngs=rngs)
        self.dense = nnx.Linear(10 * 10 * 8, 10, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        return self.dense(self.dropout(x.reshape(len(x), -1)))


def adapt(rate):
    return tnt.network.nnx(Network(rate, nnx.Rngs(0)))


def step_by_hand(criterion, batch, lr):
    model = Network(0.0, nnx.Rngs(0))

    @nnx.grad
    def gradients(model):
        return criterion(model(batch["input"]), batch["target"]).mean()

    grads = gradients(model)
    params = nnx.state(model, nnx.Param)
    params = jax.tree.map(lambda p, g: p - lr * g, params, grads)
    return nnx.to_pure_dict(params), nnx.state(model, nnx.BatchStat)


def restored(rate, state):
    model = Network(rate, nnx.Rngs(1))
    nnx.update(model, state.params, state.model_state)
    model.eval()
    return model
