"""In which language is a number spoken? Real recordings, features on the device.

It learns from the prompts of a telephone system in five languages, and is tested on
recordings of numbers, days and months, none of which it has heard. Each language has
one speaker: what is learned is as much the voice as the language.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--sounds", default="/usr/share/asterisk/sounds")
parser.add_argument("--most", type=int, default=1000, help="prompts of a language")
args = parser.parse_args()

LANGUAGES = sorted(path.name for path in Path(args.sounds).glob("[a-z][a-z]_*"))
if len(LANGUAGES) < 2:
    print("No recordings: apt-get install asterisk-core-sounds-{en,es,fr,it,ru}-wav")
    sys.exit()
SAMPLES = 12000  # 1.5 s of 8 kHz
FRAMES = {"sample_rate": 8000, "size": 200, "hop": 80, "fft_size": 256}
MEL = replace(tnt.speech.MEL_PRESETS["kaldi"], num_mels=40, **FRAMES)


def is_speech(path):
    return not any(word in str(path) for word in ("silence", "beep", "tone"))


def read(part):
    """Makes a table of int16 signals, padded, and the numbers of their languages."""
    rows = []
    for number, language in enumerate(LANGUAGES):
        paths = sorted(filter(is_speech, Path(args.sounds, language).rglob("*.wav")))
        digits = [path.parent.name == "digits" for path in paths]
        chosen = np.array(paths)[np.array(digits) == (part == "test")]
        order = np.random.default_rng(0).permutation(len(chosen))[: args.most]
        for path in chosen[order]:
            wave, _ = tnt.speech.read_audio(path, dtype="int16", frames=SAMPLES)
            rows.append((np.pad(wave, (0, SAMPLES - len(wave))), len(wave), number))
    waves, lengths, targets = map(np.array, zip(*rows, strict=True))
    input = {"wave": waves, "length": lengths.astype(np.int32)}
    return tnt.TableDataset({"input": input, "target": targets.astype(np.int32)})


def make_layer(key, inputs, outputs, width=5):
    weight = jax.random.normal(key, (width, inputs, outputs)) / (width * inputs) ** 0.5
    return {"w": weight, "b": jnp.zeros(outputs)}


def convolve(layer, x):  # [B, F, inputs] -> [B, F / 2, outputs]
    names = ("NWC", "WIO", "NWC")
    x = jax.lax.conv_general_dilated(x, layer["w"], (2,), "SAME", None, None, names)
    return jax.nn.relu(x + layer["b"])


def apply(params, model_state, input, *, key, training):
    wave, length = input["wave"], input["length"]
    if training:  # shorter ones, as numbers are short
        keys = jax.random.split(key)
        share = jax.random.uniform(keys[0], length.shape, minval=0.4)
        length = (length * share).astype(jnp.int32)
    x, count = tnt.speech.log_mel(wave, length, preset=MEL)  # [B, F, 40]
    x = tnt.speech.cmvn(x, count, moments=moments)  # of all, as voices differ
    if training:
        widths = {"frequency_width": 6, "time_width": 15}
        x = tnt.speech.spec_augment(keys[1], x, count, num_time_masks=1, **widths)
    for layer in params["layers"]:
        x = convolve(layer, x)
        count = -(-count // 2)
        real = tnt.text.length_mask(count, x.shape[1])[..., None]
        x = jnp.where(real, x, 0)
    mean = x.sum(1) / jnp.maximum(count, 1)[:, None]
    return mean @ params["last"]["w"][0] + params["last"]["b"], model_state


def show(state, when):
    loss, error = state.meters["loss"].value(), state.meters["error"].value()
    print(f"{when:9} loss {loss.mean:.3f}  accuracy {100 - error[1]:5.1f} %")
    return state


train, test = read("train"), read("test")
heard = train.data["input"]
moments = tnt.speech.feature_moments(
    *tnt.speech.log_mel(heard["wave"][::8], heard["length"][::8], preset=MEL)
)
print(f"{len(train)} prompts, {len(test)} spoken numbers, {len(LANGUAGES)} languages")
keys = jax.random.split(jax.random.key(0), 4)
sizes = (40, 96, 96, 96)
params = {
    "layers": [make_layer(*row) for row in zip(keys, sizes, sizes[1:], strict=False)],
    "last": make_layer(keys[3], sizes[-1], len(LANGUAGES), width=1),
}
ends = tnt.Hooks(on_end_epoch=lambda state: show(state, f"epoch {state.epoch}:"))
engine = tnt.OptimEngine(tnt.chain(tnt.hooks.metering("loss", "error"), ends))
functions = {
    "network": tnt.network.Stateful(apply),
    "criterion": optax.softmax_cross_entropy_with_integer_labels,
}
iterator = tnt.DatasetIterator(tnt.shuffle_and_batch(train, args.batch_size))
steps = args.epochs * len(iterator)
state = engine.train(
    **functions,
    iterator=iterator,
    params=params,
    optimizer=optax.adam(optax.cosine_decay_schedule(3e-3, steps)),
    max_epoch=args.epochs,
)
tests = tnt.DatasetIterator(tnt.BatchDataset(test, 100))
show(engine.test(**functions, iterator=tests, params=state.params), "test:")
