"""Digits, trained such that the program can be killed at any moment and started again.

Run it, stop it with Ctrl-C or kill -9, run it again: the log ends up the same, byte for
byte, as if it had never stopped. Delete the folder to begin anew. Try --help.
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, default=Path("resume"), help="of this run")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--every", type=int, default=20, help="updates between two saves")
args = parser.parse_args()
digits = {name: tnt.vision.mnist_sample(name) for name in ("train", "test")}
saved, log = args.folder / "checkpoints", args.folder / "log.jsonl"
args.folder.mkdir(parents=True, exist_ok=True)


def network(params, input):  # [B, 784] -> [B, 10]
    hidden = jax.nn.relu(input @ params["hidden"])
    return hidden @ params["output"]


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def reset(state):  # on the host
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def prepare(state):  # compiled: noise of each batch's own, from a key that is saved too
    key, own = jax.random.split(state.key)
    pixels = state.sample["input"].reshape(-1, 784) / 255.0
    noisy = pixels + 0.1 * jax.random.normal(own, pixels.shape)
    sample = {"input": noisy, "target": state.sample["target"]}
    return state.replace(sample=sample, key=key)


def measure(state):  # compiled
    loss = state.meters["loss"].add(state.loss)
    error = state.meters["error"].add(state.output, state.sample["target"])
    return state.replace(meters={"loss": loss, "error": error})


def show(state):  # a line on the screen and one in the log
    loss, error = state.meters["loss"].value(), state.meters["error"].value()
    line = {"epoch": int(state.epoch), "t": int(state.t), "loss": float(loss.mean)}
    line["error"] = float(error[1])
    print(line)
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return state


hooks = tnt.Hooks(on_start=reset, on_sample=prepare, on_forward_criterion=measure)
border = tnt.Hooks(on_start_epoch=reset, on_end_epoch=show)
save = tnt.hooks.checkpoint(saved, args.every, files=[log])
engine = tnt.OptimEngine(tnt.chain(hooks, tnt.watch(10, show), border, save))
keys = jax.random.split(jax.random.key(0))
params = {
    "hidden": jax.random.normal(keys[0], (784, 64)) / 28,
    "output": jnp.zeros((64, 10)),
}
job = {"network": network, "criterion": criterion, "optimizer": optax.adam(1e-3)}
train, test = (
    tnt.DatasetIterator(tnt.shuffle_and_batch(part, 100)) for part in digits.values()
)
goal = {"iterator": train, "params": params, "max_epoch": args.epochs}
state = engine.train(**job, **goal, resume=saved)
error = (
    tnt.SGDEngine(hooks)
    .test(network=network, criterion=criterion, iterator=test, params=state.params)
    .meters["error"]
)
print(f"test: error {error.value()[1]:.2f} % after {int(state.epoch)} epochs")
