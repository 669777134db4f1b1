"""Fine-tuning: trained on the digits 0 to 4, then only the last layer on 5 to 9."""

import argparse

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()


def digits(part, first):  # of five classes, as targets 0 to 4
    whole = tnt.vision.mnist_sample(part)
    data = tnt.take(whole, range(len(whole)))
    some = (data["target"] >= first) & (data["target"] < first + 5)
    return tnt.TableDataset(
        {"input": data["input"][some], "target": data["target"][some] - first}
    )


def iterate(dataset):
    return tnt.DatasetIterator(tnt.shuffle_and_batch(dataset, args.batch_size))


def network(params, input):  # [B, 28, 28] -> [B, 5]
    x = input.reshape(-1, 784) / 255.0
    return jax.nn.relu(x @ params["body"]) @ params["head"]


def criterion(output, target):  # [B, 5], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


metering = tnt.hooks.metering(
    error=(tnt.ClassErrorMeter(), lambda state: (state.output, state.sample["target"]))
)
engine = tnt.OptimEngine(metering)
functions = {"network": network, "criterion": criterion}


def test(params, first, when):
    iterator = tnt.DatasetIterator(tnt.BatchDataset(digits("test", first), 64))
    state = engine.test(**functions, iterator=iterator, params=params)
    error = state.meters["error"].value()[1]
    print(f"{when}: error {error:5.2f} % on {first} to {first + 4}")


body = jax.random.normal(jax.random.key(0), (784, 512)) * (2 / 784) ** 0.5
head = jnp.zeros((512, 5))
trained = engine.train(
    **functions,
    iterator=iterate(digits("train", 0)),
    params={"body": body, "head": head},
    optimizer=optax.adam(1e-3),
    max_epoch=args.epochs,
).params
test(trained, 0, "trained   ")

# The same labels as the parameters: what `frozen` stands for does not move, and the
# optimizer keeps nothing for it.
labels = {"body": "frozen", "head": "trained"}
rules = {"frozen": optax.set_to_zero(), "trained": optax.adam(3e-3)}
tuned = engine.train(
    **functions,
    iterator=iterate(digits("train", 5)),
    params={"body": trained["body"], "head": head},
    optimizer=optax.partition(rules, labels),
    max_epoch=args.epochs,
).params
test(tuned, 5, "fine-tuned")
assert (tuned["body"] == trained["body"]).all()
