"""A variational autoencoder of digits: a loss without a target. Try --help."""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--code", type=int, default=10, help="numbers for a digit")
args = parser.parse_args()


def images(part):  # the digits that come with the package, and no targets
    def flatten(sample):  # many at once
        return {"input": np.float32(sample["input"]).reshape(-1, 784) / 255}

    return tnt.TransformDataset(tnt.vision.mnist_sample(part), flatten, batched=True)


def make_layer(key, inputs, outputs):
    weight = jax.random.normal(key, (inputs, outputs)) / inputs**0.5
    return {"w": weight, "b": jnp.zeros(outputs)}


def run_layer(layer, x):
    return x @ layer["w"] + layer["b"]


def decode(params, code):  # [B, code] -> logits [B, 784]
    return run_layer(params["pixels"], jax.nn.relu(run_layer(params["wide"], code)))


def apply(params, model_state, input, *, key, training):
    hidden = jax.nn.relu(run_layer(params["hidden"], input))
    mean, log_variance = jnp.split(run_layer(params["code"], hidden), 2, axis=-1)
    noise = jax.random.normal(key, mean.shape) if training else 0.0
    logits = decode(params, mean + jnp.exp(log_variance / 2) * noise)
    # In bits that are lost, and in distance from what is drawn below: each [B].
    lost = optax.sigmoid_binary_cross_entropy(logits, input).sum(-1)
    distance = (jnp.exp(log_variance) + mean**2 - 1 - log_variance).sum(-1) / 2
    return {"lost": lost, "distance": distance}, model_state


def criterion(output):  # of the output alone, as the samples have no target
    return output["lost"] + output["distance"]


def show(state, when="test:    "):
    lost, distance = (state.meters[n].value().mean for n in ("lost", "distance"))
    print(f"{when} {lost:5.1f} lost + {distance:4.1f} away")
    return state


metering = tnt.hooks.metering(
    lost=(tnt.AverageValueMeter(), lambda state: state.output["lost"]),
    distance=(tnt.AverageValueMeter(), lambda state: state.output["distance"]),
)
keys = jax.random.split(jax.random.key(0), 5)
ends = tnt.Hooks(on_end_epoch=lambda state: show(state, f"epoch {state.epoch:2}:"))
engine = tnt.OptimEngine(tnt.chain(metering, ends))
functions = {"network": tnt.network.Stateful(apply), "criterion": criterion}
state = engine.train(
    **functions,
    iterator=tnt.DatasetIterator(
        tnt.shuffle_and_batch(images("train"), args.batch_size)
    ),
    params={
        "hidden": make_layer(keys[0], 784, 256),
        "code": make_layer(keys[1], 256, 2 * args.code),
        "wide": make_layer(keys[2], args.code, 256),
        "pixels": make_layer(keys[3], 256, 784),
    },
    optimizer=optax.adam(1e-3),
    max_epoch=args.epochs,
)
tests = tnt.DatasetIterator(tnt.BatchDataset(images("test"), args.batch_size))
show(engine.test(**functions, iterator=tests, params=state.params))
drawn = decode(state.params, jax.random.normal(keys[4], (2, args.code)))
for image in jax.nn.sigmoid(drawn).reshape(2, 28, 28):
    for row in image[4:26:2]:
        print("".join(" .:*#@"[int(5.99 * value)] for value in row))
