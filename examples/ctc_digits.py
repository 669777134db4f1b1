"""Strings of spoken digits, recognized by CTC: word error rates by epoch.

The data are 31 recordings of TIDIGITS, of a man and a woman, as cepstra. One in four is
held out; both speakers are heard in training. Strings to learn from are also joined.
"""

import argparse
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--strings", type=int, default=400, help="joined, of an epoch")
parser.add_argument("--data", default="/usr/share/pocketsphinx/test/data/tidigits")
args = parser.parse_args()

WORDS = ["", *"zero oh one two three four five six seven eight nine".split()]  # blank
if not (folder := Path(args.data)).is_dir():
    print("No recordings: apt-get install pocketsphinx-testdata")
    sys.exit()


def read(line):
    """Returns the features [F, 13] of a line `one two (man.ah.12a)`, and its words."""
    *words, name = line.replace("(", "").replace(")", "").split()
    content = (folder / f"{name}.mfc").read_bytes()
    features = np.frombuffer(content, ">f4", offset=4).reshape(-1, 13)
    labels = np.array([WORDS.index(word) for word in words], np.int32)
    return {"input": features.astype(np.float32), "labels": labels, "name": name}


def join(strings, rng):
    """Joins one to three strings of a speaker, and stretches them a little."""
    first = strings[rng.integers(len(strings))]
    same = [s for s in strings if s["name"][0] == first["name"][0]]
    chosen = [first, *(same[i] for i in rng.integers(len(same), size=rng.integers(3)))]
    features = np.concatenate([string["input"] for string in chosen])
    places = np.arange(0, len(features) - 1, rng.uniform(0.75, 1.25))
    low, share = places.astype(int), (places % 1)[:, None].astype(np.float32)
    features = features[low] * (1 - share) + features[low + 1] * share
    return {
        "input": features,
        "labels": np.concatenate([string["labels"] for string in chosen]),
    }


def batches(epoch):  # of a few lengths, so that little is padded
    rng = np.random.default_rng(epoch)
    strings = [join(train, rng) for _ in range(args.strings)]
    return bucket(strings, seed=epoch)


def bucket(strings, seed=None):
    """Makes batches whose frames are padded to one of three lengths."""
    samples = [
        {
            "input": string["input"],
            "labels": np.pad(string["labels"], (0, 21 - len(string["labels"]))),
            "words": np.int32(len(string["labels"])),
        }
        for string in strings
    ]
    boundaries = (300, 600, 2000)
    rows = {"fields": ["input"], "boundaries": boundaries, "seed": seed}
    return tnt.TransformDataset(tnt.BucketDataset(samples, 16, **rows), arrange)


def arrange(batch):  # what the network takes, and what the criterion does
    return {
        "input": {"features": batch["input"], "length": batch["length"]},
        "target": {name: batch[name] for name in ("labels", "words")},
        "mask": batch["mask"],
    }


def make_layer(key, width, inputs, outputs):
    weight = jax.random.normal(key, (width, inputs, outputs)) / (width * inputs) ** 0.5
    return {"w": weight, "b": jnp.zeros(outputs)}


def convolve(layer, x, stride=1):  # [B, F, inputs] -> [B, F / stride, outputs]
    names = ("NWC", "WIO", "NWC")
    sides = (stride,), "SAME", None, None, names
    return jax.lax.conv_general_dilated(x, layer["w"], *sides) + layer["b"]


def add_slopes(x, count):  # [..., F, 13] -> [..., F, 26]
    return jnp.concatenate([x, tnt.speech.deltas(x, count)], -1)


def apply(params, model_state, input, *, key, training):
    x, count = add_slopes(input["features"], input["length"]), input["length"]
    x = tnt.speech.cmvn(x, count, moments=moments)  # [B, F, 26]
    if training:
        keys = jax.random.split(key, len(params) + 1)
        x = x + 0.3 * jax.random.normal(keys[-2], x.shape)
        widths = {"frequency_width": 5, "time_width": 10}
        x = tnt.speech.spec_augment(keys[-1], x, count, num_time_masks=4, **widths)
    for place, layer in enumerate(params[:-1]):
        x = jax.nn.relu(convolve(layer, x, 2 if place == 0 else 1))
        if training:  # dropout
            x = jnp.where(jax.random.bernoulli(keys[place], 0.7, x.shape), x / 0.7, 0)
    return {"logits": convolve(params[-1], x), "length": -(-count // 2)}, model_state


def criterion(output, target):  # -> [B], by the words of each string
    labels = target["labels"], target["words"]
    loss = tnt.speech.ctc_loss(
        output["logits"], output["length"], *labels, impossible=0
    )
    return loss / jnp.maximum(target["words"], 1)


def error_rate(params):
    """Decodes the held-out strings, and returns their word error rate."""
    meter = tnt.WERMeter()
    for string in test:
        length = np.array([len(string["input"])])
        padded = np.pad(string["input"], ((0, 600 - length[0]), (0, 0)))
        input = {"features": padded[None], "length": length}
        (ids,), (count,) = decode(params, input)
        output, target = (
            " ".join(WORDS[label] for label in labels)
            for labels in (ids[:count], string["labels"])
        )
        meter = meter.add(output, target)
    return meter


@jax.jit
def decode(params, input):
    output, _ = apply(params, None, input, key=None, training=False)
    return tnt.speech.ctc_greedy(output["logits"], output["length"])


def show(state):
    if state.epoch % 5 == 0 or state.epoch == args.epochs:
        loss = state.meters["loss"].value().mean
        wer = error_rate(state.params).value()
        print(f"epoch {state.epoch:2}: loss {loss:.3f}  held-out WER {wer:5.1f} %")
    return state


lines = (folder / "tidigits.lsn").read_text().splitlines()
strings = [read(line) for line in lines if line]
test = strings[2::4]
train = [string for place, string in enumerate(strings) if place % 4 != 2]
moments = None
for string in train:
    slopes = add_slopes(string["input"], len(string["input"]))
    moments = tnt.speech.feature_moments(slopes, before=moments)
words = sum(len(string["labels"]) for string in test)
print(f"{len(train)} strings to learn from, {len(test)} of {words} words held out")
keys = jax.random.split(jax.random.key(0), 4)
shapes = [(7, 26, 96), (5, 96, 96), (5, 96, 96), (1, 96, len(WORDS))]
engine = tnt.OptimEngine(
    tnt.chain(tnt.hooks.metering("loss"), tnt.Hooks(on_end_epoch=show))
)
state = engine.train(
    network=tnt.network.Stateful(apply),
    criterion=criterion,
    iterator=tnt.DatasetIterator(batches),
    params=[make_layer(key, *shape) for key, shape in zip(keys, shapes, strict=True)],
    optimizer=optax.adam(2e-3),
    max_epoch=args.epochs,
)
print(error_rate(state.params))
