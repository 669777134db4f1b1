"""Contrastive learning: what digits are alike, learned without a label. Try --help.

Each digit of a batch is seen twice, moved and blurred at random. The network learns to
find the second view among those of all others (SimCLR, Chen et al. 2020).
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--batch-size", type=int, default=250)
parser.add_argument("--shift", type=int, default=4, help="pixels, at most")
parser.add_argument("--sharpness", type=float, default=10.0)
args = parser.parse_args()
digits = {part: tnt.vision.mnist_sample(part) for part in ("train", "test")}


def view(key, image):  # [28, 28] -> [28, 28], another for each key
    for_shift, for_noise, for_light = jax.random.split(key, 3)
    shift = jax.random.randint(for_shift, (2,), -args.shift, args.shift + 1)
    light = jax.random.uniform(for_light, minval=0.5, maxval=1.5)
    noise = 0.2 * jax.random.normal(for_noise, image.shape)
    return light * jnp.roll(image, shift, axis=(0, 1)) + noise


def make_views(state):  # compiled: the sample becomes two views, and has no target
    images = state.sample["input"] / 255.0
    key, own = jax.random.split(state.key)
    keys = jax.random.split(own, (2, len(images)))
    views = jax.vmap(jax.vmap(view), (0, None))(keys, images)  # [2, B, 28, 28]
    return state.replace(sample={"input": jnp.moveaxis(views, 0, 1)}, key=key)


def network(params, input):  # [..., 28, 28] -> [..., 64], of length 1
    x = jax.nn.relu(input.reshape(*input.shape[:-2], 784) @ params["first"])
    x = jax.nn.relu(x @ params["second"]) @ params["last"]
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


def criterion(output):  # [B, 2, 64] -> [B]
    likeness = args.sharpness * output[:, 0] @ output[:, 1].T  # [B, B]
    own = jnp.arange(len(output))
    find = optax.softmax_cross_entropy_with_integer_labels
    return (find(likeness, own) + find(likeness.T, own)) / 2


def find_neighbours(params):  # of moved test digits: how many are of their class, in %
    train, test = (tnt.take(data, range(len(data))) for data in digits.values())
    moved = jax.vmap(view)(jax.random.split(keys[3], 1000), test["input"] / 255.0)
    likeness = network(params, moved) @ network(params, train["input"] / 255.0).T
    nearest = np.argmax(likeness, axis=1)
    return 100 * np.mean(train["target"][nearest] == test["target"])


def show(state):
    print(f"epoch {state.epoch:2}: loss {state.meters['loss'].value().mean:.3f}")
    return state


keys = jax.random.split(jax.random.key(0), 4)
sizes = {"first": (784, 512), "second": (512, 256), "last": (256, 64)}
params = {
    name: jax.random.normal(key, size) * (2 / size[0]) ** 0.5
    for key, (name, size) in zip(keys, sizes.items(), strict=False)
}
metering = tnt.hooks.metering(loss=(tnt.AverageValueMeter(), lambda state: state.loss))
hooks = tnt.Hooks(on_sample=make_views, on_end_epoch=show)
print(f"neighbours alike before: {find_neighbours(params):.1f} %")
state = tnt.OptimEngine(tnt.chain(hooks, metering)).train(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator(
        tnt.shuffle_and_batch(digits["train"], args.batch_size, policy="skip-last")
    ),
    params=params,
    optimizer=optax.adam(1e-3),
    max_epoch=args.epochs,
)
print(f"neighbours alike after:  {find_neighbours(state.params):.1f} %")
