"""Logistic regression on MNIST: Torchnet's first example. Try --help."""

import argparse

import jax
import jax.numpy as jnp
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--lr", type=float, default=0.2)
parser.add_argument("--data-dir", help="where MNIST's files are or will be put")
parser.add_argument("--platform", choices=["auto", "cpu", "gpu"], default="auto")
parser.add_argument("--steps-per-call", type=int, help="by default the engine chooses")
parser.add_argument("--report", metavar="FILE", help="write a page about the run")
args = parser.parse_args()
if args.platform == "cpu":
    jax.config.update("jax_platforms", "cpu")
if args.platform == "gpu" and jax.default_backend() != "gpu":
    parser.exit(2, "--platform gpu: JAX sees no GPU here.\n")
try:
    train, test = (tnt.vision.mnist(part, args.data_dir) for part in ("train", "test"))
except FileNotFoundError:
    print("No MNIST here and none to be fetched: training on the 6,000 digits inside.")
    train, test = tnt.vision.mnist_sample("train"), tnt.vision.mnist_sample("test")


def batches(epoch):  # each epoch in an order of its own
    return tnt.BatchDataset(tnt.ShuffleDataset(train, seed=epoch), args.batch_size)


def network(params, input):  # [B, 28, 28] uint8 -> [B, 10]
    return input.reshape(-1, 784) / 255.0 @ params["weight"] + params["bias"]


def show(state, when="step  "):  # on the host, while the device works on
    loss, error = state.meters["loss"].value(), state.meters["error"].value()
    print(f"{when} {state.t:5}  loss {loss.mean:.4f}  error {error[1]:5.2f} %")
    return state


tests = tnt.DatasetIterator(tnt.BatchDataset(test, args.batch_size))
criterion = optax.softmax_cross_entropy_with_integer_labels  # [B, 10], [B] -> [B]
metering = tnt.hooks.metering("loss", "error")  # compiled, reset before each epoch
ends = tnt.Hooks(on_end_epoch=lambda state: show(state, f"epoch {state.epoch}:"))
hooks = tnt.chain(metering, tnt.watch(100, show), ends)
if args.report:
    record = tnt.hooks.record(every=20)
    hooks = tnt.chain(hooks, tnt.hooks.validate(tests, score="error"), record)
engine = tnt.SGDEngine(hooks)
state = engine.train(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator(batches),
    params={"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)},
    lr=args.lr,
    max_epoch=args.epochs,
    steps_per_call=args.steps_per_call or "auto",
)
tested = engine.test(
    network=network, criterion=criterion, iterator=tests, params=state.params
)
show(tested, "test:   ")
if args.report:
    tnt.log.report(args.report, mnist=state, config=vars(args))
seconds = sum(state.seconds) - state.seconds.compile
print(f"{state.samples / seconds:,.0f} samples/s on {jax.devices()[0]}")
