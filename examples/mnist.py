"""Logistic regression on MNIST: Torchnet's first example. Try --help."""

import argparse
import time

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--lr", type=float, default=0.2)
parser.add_argument(
    "--data-dir", help="a folder that has MNIST's files or will get them"
)
parser.add_argument("--platform", choices=["auto", "cpu", "gpu"], default="auto")
parser.add_argument("--steps-per-call", type=int, default="auto")
args = parser.parse_args()

if args.platform != "auto":
    try:
        jax.config.update("jax_default_device", jax.devices(args.platform)[0])
    except RuntimeError:
        parser.exit(2, f"--platform {args.platform}: JAX sees no such device here.\n")

try:
    data = {name: tnt.vision.mnist(name, args.data_dir) for name in ("train", "test")}
except FileNotFoundError:
    print("No MNIST here and none to be fetched: training on the 6,000 digits inside.")
    data = {name: tnt.vision.mnist_sample(name) for name in ("train", "test")}


def batches(dataset):  # in a new order each epoch
    shuffled = lambda epoch: tnt.ShuffleDataset(dataset, seed=epoch)  # noqa: E731
    return tnt.DatasetIterator(lambda e: tnt.BatchDataset(shuffled(e), args.batch_size))


def network(params, input):  # [B, 784] -> [B, 10]
    return input @ params["weight"] + params["bias"]


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def reset(state):
    meters = {"loss": tnt.AverageValueMeter(), "error": tnt.ClassErrorMeter()}
    return state.replace(meters=meters)


def prepare(state):  # compiled: uint8 travels, floats are made on the device
    image, target = state.sample["input"], state.sample["target"]
    sample = {"input": image.reshape(-1, 784) / 255.0, "target": target}
    return state.replace(sample=sample)


def measure(state):  # compiled
    loss = state.meters["loss"].add(state.loss)
    error = state.meters["error"].add(state.output, state.sample["target"])
    return state.replace(meters={"loss": loss, "error": error})


def describe(state):
    loss, error = state.meters["loss"].value(), state.meters["error"].value()
    return f"loss {loss.mean:.4f}  error {error[1]:5.2f} %"


def show(state):  # on the host, a chunk late, while the device works on
    print(f"  step {int(state.t):5}  {describe(state)}")


def end_epoch(state):  # on the host
    rate = state.samples / (time.perf_counter() - start)
    print(f"epoch {state.epoch}  {describe(state)}  {rate:,.0f} samples/s so far")
    return state


hooks = tnt.Hooks(on_start=reset, on_sample=prepare, on_forward_criterion=measure)
progress = tnt.Hooks(on_start_epoch=reset, on_end_epoch=end_epoch)
engine = tnt.SGDEngine(tnt.chain(hooks, progress, tnt.watch(100, show)))
params = {"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)}
job = {
    "network": network,
    "criterion": criterion,
    "steps_per_call": args.steps_per_call,
}
start = time.perf_counter()
train = {"iterator": batches(data["train"]), "lr": args.lr, "max_epoch": args.epochs}
state = engine.train(**job, **train, params=params)
test = engine.test(**job, iterator=batches(data["test"]), params=state.params)
print(f"test     {describe(test)}  on {jax.devices()[0].device_kind}")
