"""Logistic regression on MNIST: Torchnet's first example. Try --help."""

import argparse
import time
from itertools import pairwise

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
for flag, default in (("--epochs", 5), ("--batch-size", 128), ("--lr", 0.2)):
    parser.add_argument(flag, type=type(default), default=default)
parser.add_argument(
    "--data-dir", help="a folder that has MNIST's files or will get them"
)
parser.add_argument("--platform", choices=["auto", "cpu", "gpu"], default="auto")
parser.add_argument("--steps-per-call", type=int, help="by default the engine chooses")
args = parser.parse_args()
if args.platform == "cpu":
    jax.config.update("jax_platforms", "cpu")
if args.platform == "gpu" and jax.default_backend() != "gpu":
    parser.exit(2, "--platform gpu: JAX sees no GPU here.\n")
try:
    data = {name: tnt.vision.mnist(name, args.data_dir) for name in ("train", "test")}
except FileNotFoundError:
    print("No MNIST here and none to be fetched: training on the 6,000 digits inside.")
    data = {name: tnt.vision.mnist_sample(name) for name in ("train", "test")}


def batches(name, epoch):  # each epoch in an order of its own
    return tnt.BatchDataset(tnt.ShuffleDataset(data[name], seed=epoch), args.batch_size)


def network(params, input):  # [B, 784] -> [B, 10]
    return input @ params["weight"] + params["bias"]


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def reset(state):  # on the host
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def prepare(state):  # compiled: uint8 travels, floats are made on the device
    pixels, target = state.sample["input"].reshape(-1, 784), state.sample["target"]
    return state.replace(sample={"input": pixels / 255.0, "target": target})


def measure(state):  # compiled
    loss = state.meters["loss"].add(state.loss)
    error = state.meters["error"].add(state.output, state.sample["target"])
    return state.replace(meters={"loss": loss, "error": error})


def show(state, when="step  "):  # on the host, while the device works on
    loss, error = state.meters["loss"].value(), state.meters["error"].value()
    print(f"{when} {state.t:5}  loss {loss.mean:.4f}  error {error[1]:5.2f} %")
    clock.append((int(state.samples), time.perf_counter()))


job = {"network": network, "criterion": criterion}
job["steps_per_call"] = args.steps_per_call or "auto"
train, test = (tnt.DatasetIterator(lambda e, n=n: batches(n, e)) for n in data)
hooks = tnt.Hooks(on_start=reset, on_sample=prepare, on_forward_criterion=measure)
end = tnt.Hooks(on_end_epoch=lambda s: show(s, f"epoch {s.epoch}:") or s)
fresh = tnt.Hooks(on_start_epoch=reset)
engine = tnt.SGDEngine(tnt.chain(hooks, fresh, tnt.watch(100, show), end))
params, clock = {"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)}, []
goal = {"lr": args.lr, "max_epoch": args.epochs}
state = engine.train(**job, **goal, iterator=train, params=params)
rates = sorted((n - m) / (b - a) for (m, a), (n, b) in pairwise(clock))
show(engine.test(**job, iterator=test, params=state.params), "test:   ")
if rates:  # between one line and the next, so without what compiling took
    print(f"{rates[len(rates) // 2]:,.0f} samples/s on {jax.devices()[0]}")
