"""Strings of spoken digits, recognized by CTC: word error rates by epoch.

The data are 31 recordings of TIDIGITS, of a man and a woman, as cepstra. Recordings are
held out as long as each of their words stays in three others of that voice: 11, which
are not seen in any form before they are recognized. What is learned from are the other
20, joined and stretched, and words that are cut out of them at the quietest places and
put together in any order. What is tested are all strings of one or two recordings of a
voice that were held out, as they are: 61, of 282 words.

So the rate tells how well digits of two known voices are understood that were spoken
another time. It says nothing of other voices, and little of words that are rare here.
"""

import argparse
import itertools
import sys
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
parser.add_argument("--strings", type=int, default=400, help="made for an epoch")
parser.add_argument("--data", default="/usr/share/pocketsphinx/test/data/tidigits")
args = parser.parse_args()

WORDS = ["", *"zero oh one two three four five six seven eight nine".split()]  # blank
NAMES, LONGEST = ("input", "labels"), 21
if not (folder := Path(args.data)).is_dir():
    print("No recordings: apt-get install pocketsphinx-testdata")
    sys.exit()


def read(line):
    """Returns the features [F, 13] of a line `one two (man.ah.12a)`, and its words."""
    *words, name = line.replace("(", "").replace(")", "").split()
    content = (folder / f"{name}.mfc").read_bytes()
    features = np.frombuffer(content, ">f4", offset=4).reshape(-1, 13)
    labels = np.array([WORDS.index(word) for word in words], np.int32)
    return {"input": features.astype(np.float32), "labels": labels, "voice": name[0]}


def cut(string):
    """Cuts a recording into its words and the silence before and behind."""
    energy = np.convolve(string["input"][:, 0], np.ones(5) / 5, "same")
    loud = np.flatnonzero(energy > (energy.min() + energy.max()) / 2)
    first, last, count = loud[0] - 8, loud[-1] + 12, len(string["labels"])
    size = (last - first) / count
    edges = [first]
    for edge in first + size * np.arange(1, count):  # of equal words
        low = int(max(edges[-1] + 0.4 * size, edge - 0.35 * size))
        edges.append(low + int(np.argmin(energy[low : int(edge + 0.35 * size) + 1])))
    before, *words, behind = np.split(string["input"], [*edges, last])
    return before, list(zip(words, string["labels"], strict=True)), behind


def split(strings):
    """Holds recordings out while their words stay in three others of the voice."""
    heard = Counter((s["voice"], word) for s in strings for word in s["labels"])
    train, held_out = [], []
    for string in strings:
        words = Counter((string["voice"], word) for word in string["labels"])
        enough = all(heard[word] - count >= 3 for word, count in words.items())
        (held_out if enough else train).append(string)
        heard -= words if enough else Counter()
    return train, held_out


def stretch(features, share):
    places = np.arange(0, len(features) - 1, share)
    low, rest = places.astype(int), (places % 1)[:, None].astype(np.float32)
    return features[low] * (1 - rest) + features[low + 1] * rest


def join(strings):
    return {name: np.concatenate([s[name] for s in strings]) for name in NAMES}


def permute(strings, count):
    """Lists all sequences of different recordings of one voice."""
    chosen = itertools.permutations(strings, count)
    return [row for row in chosen if len({string["voice"] for string in row}) == 1]


def compose(rng, most):
    """Puts some words of one voice together, each stretched by itself."""
    voice = train[rng.integers(len(train))]["voice"]
    same = pieces[voice]
    before, behind = (same[rng.integers(len(same))][end] for end in (0, 2))
    words = [word for _, words, _ in same for word in words]
    chosen = [words[i] for i in rng.integers(len(words), size=rng.integers(most) + 1)]
    spoken = [stretch(word, rng.uniform(0.8, 1.25)) for word, _ in chosen]
    labels = np.array([label for _, label in chosen])
    return {"input": np.concatenate([before, *spoken, behind]), "labels": labels}


def make(rng, epoch):
    """Makes a string to learn from, louder or softer than it was; short ones first."""
    most = min(7, 1 + epoch // 3)
    if most > 4 and rng.random() < 0.4:
        string = join(pairs[rng.integers(len(pairs))])
    else:
        string = compose(rng, most)
    features = stretch(string["input"], rng.uniform(0.8, 1.25))
    features[:, 0] += rng.normal(0, 3)
    return {"input": features, "labels": string["labels"]}


def batches(epoch):  # of a few lengths, so that little is padded
    rng = np.random.default_rng(epoch)
    strings = [make(rng, epoch) for _ in range(args.strings)]
    return bucket(strings, seed=epoch)


def bucket(strings, seed=None):
    """Makes batches whose frames are padded to one of four lengths."""
    samples = [
        {
            "input": string["input"],
            "labels": np.pad(string["labels"], (0, LONGEST - len(string["labels"]))),
            "words": np.int32(len(string["labels"])),
        }
        for string in strings
    ]
    boundaries = (200, 400, 600, 1200)
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


def normalize(x):  # each frame by itself
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-3)


def add_slopes(x, count):  # [..., F, 13] -> [..., F, 26]
    return jnp.concatenate([x, tnt.speech.deltas(x, count)], -1)


def apply(params, model_state, input, *, key, training):
    x, count = add_slopes(input["features"], input["length"]), input["length"]
    x = tnt.speech.cmvn(x, count, moments=moments)  # [B, F, 26]
    if training:
        keys = jax.random.split(key, len(params) + 2)
        x = x + 0.5 * jax.random.normal(keys[-3], x.shape)
        # Another voice or microphone moves all frames of a string, and no slopes.
        moved = 0.3 * jax.random.normal(keys[-2], (len(x), 1, 13))
        x = x.at[..., :13].add(moved)
        widths = {"frequency_width": 5, "time_width": 10}
        x = tnt.speech.spec_augment(keys[-1], x, count, num_time_masks=4, **widths)
    for place, layer in enumerate(params[:-1]):
        x = normalize(jax.nn.relu(convolve(layer, x, 2 if place < 2 else 1)))
        if training:  # dropout
            x = jnp.where(jax.random.bernoulli(keys[place], 0.7, x.shape), x / 0.7, 0)
    return {"logits": convolve(params[-1], x), "length": -(-count // 4)}, model_state


def criterion(output, target):  # -> [B], by the words of each string
    labels = target["labels"], target["words"]
    loss = tnt.speech.ctc_loss(
        output["logits"], output["length"], *labels, impossible=0
    )
    return loss / jnp.maximum(target["words"], 1)


def error_rate(params):
    """Decodes the held-out strings, and compares."""
    meter = tnt.WERMeter()
    for batch in bucket(tests):
        ids, counts = decode(params, batch["input"])
        found = map(spell, np.asarray(ids), np.asarray(counts))
        spoken = map(spell, *batch["target"].values())
        meter = meter.add(list(found), list(spoken), mask=batch["mask"])
    return meter


def spell(labels, count):
    return " ".join(WORDS[label] for label in labels[:count])


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
train, held_out = split(strings)
pieces = {v: [cut(s) for s in train if s["voice"] == v] for v in "mw"}
pairs = [*permute(train, 1), *permute(train, 2)]
tests = [join(chosen) for count in (1, 2) for chosen in permute(held_out, count)]
moments = None
for string in train:
    slopes = add_slopes(string["input"], len(string["input"]))
    moments = tnt.speech.feature_moments(slopes, before=moments)
spoken = sum(len(string["labels"]) for string in held_out)
words = sum(len(string["labels"]) for string in tests)
print(
    f"{len(train)} recordings to learn from; held out are {len(held_out)} of {spoken}"
)
print(f"words, which make {len(tests)} strings of {words} words")
keys = jax.random.split(jax.random.key(0), 4)
shapes = [(9, 26, 128), (7, 128, 128), (5, 128, 128), (1, 128, len(WORDS))]
engine = tnt.OptimEngine(
    tnt.chain(tnt.hooks.metering("loss"), tnt.Hooks(on_end_epoch=show))
)
steps = args.epochs * args.strings // 16
state = engine.train(
    network=tnt.network.Stateful(apply),
    criterion=criterion,
    iterator=tnt.DatasetIterator(batches),
    params=[make_layer(key, *shape) for key, shape in zip(keys, shapes, strict=True)],
    optimizer=optax.adam(optax.cosine_decay_schedule(2e-3, steps)),
    max_epoch=args.epochs,
)
print(error_rate(state.params))
