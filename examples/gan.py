"""A GAN that draws digits: two players, two optimizers, one step. Try --help."""

import argparse

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--noise", type=int, default=32, help="numbers a digit is made of")
args = parser.parse_args()
digits = tnt.vision.mnist_sample("train")  # the 6,000 that come with the package


def make_layers(key, *sizes):
    keys = jax.random.split(key, len(sizes))
    shapes = zip(keys, sizes[:-1], sizes[1:], strict=False)
    return [
        {"w": jax.random.normal(k, (a, b)) / a**0.5, "b": jnp.zeros(b)}
        for k, a, b in shapes
    ]


def run_layers(layers, x):  # [B, first size] -> [B, last size]
    for layer in layers[:-1]:
        x = jax.nn.leaky_relu(x @ layer["w"] + layer["b"], 0.2)
    return x @ layers[-1]["w"] + layers[-1]["b"]


def draw(generator, key, count):  # -> [count, 784] from 0 to 1
    noise = jax.random.normal(key, (count, args.noise))
    return jax.nn.sigmoid(run_layers(generator, noise))


def judge(discriminator, images, label):  # [B, 784] -> [], small if taken for `label`
    logits = run_layers(discriminator, images)
    return optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, label))


optimizer = optax.adam(2e-4, b1=0.5)


def move(state, player, grads):
    own, old = state.opt_state[player], state.params[player]
    updates, own = optimizer.update(grads, own, old)
    return state.replace(
        params={**state.params, player: optax.apply_updates(old, updates)},
        opt_state={**state.opt_state, player: own},
    )


def step(state, sample):
    real = sample["input"].reshape(-1, 784) / 255.0
    key, for_critic, for_artist = jax.random.split(state.key, 3)
    fake = draw(state.params["generator"], for_critic, len(real))

    def blame(discriminator):
        right = judge(discriminator, real, 0.9), judge(discriminator, fake, 0.0)
        return jnp.mean(right[0]) + jnp.mean(right[1])

    critic_loss, grads = jax.value_and_grad(blame)(state.params["discriminator"])
    state = move(state, "discriminator", grads)

    def fool(generator):
        images = draw(generator, for_artist, len(real))
        return jnp.mean(judge(state.params["discriminator"], images, 1.0))

    artist_loss, grads = jax.value_and_grad(fool)(state.params["generator"])
    state = move(state, "generator", grads).replace(key=key, loss=critic_loss)
    state = state.replace(output={"critic": critic_loss, "artist": artist_loss})
    return tnt.fire(state, "on_forward_criterion")


def show(state):
    critic, artist = (state.meters[name].value().mean for name in ("critic", "artist"))
    print(f"epoch {state.epoch:3}: critic {critic:.3f}  artist {artist:.3f}")
    return state


metering = tnt.hooks.metering(
    critic=(tnt.AverageValueMeter(), lambda state: state.output["critic"]),
    artist=(tnt.AverageValueMeter(), lambda state: state.output["artist"]),
)
keys = jax.random.split(jax.random.key(0), 3)
params = {
    "generator": make_layers(keys[0], args.noise, 256, 512, 784),
    "discriminator": make_layers(keys[1], 784, 256, 1),
}
engine = tnt.StepEngine(step, tnt.chain(metering, tnt.Hooks(on_end_epoch=show)))
state = engine.train(
    iterator=tnt.DatasetIterator(tnt.shuffle_and_batch(digits, args.batch_size)),
    params=params,
    opt_state={name: optimizer.init(own) for name, own in params.items()},
    max_epoch=args.epochs,
)
for image in draw(state.params["generator"], keys[2], 2).reshape(2, 28, 28):
    for row in image[4:26:2]:
        print("".join(" .:*#@"[int(5.99 * value)] for value in row))
