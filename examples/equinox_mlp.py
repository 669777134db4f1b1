"""A perceptron of equinox on MNIST: `pip install "tntjax[equinox]"`. Try --help."""

import argparse

import equinox as eqx
import jax
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
for flag, default in (("--epochs", 5), ("--batch-size", 128), ("--lr", 1e-3)):
    parser.add_argument(flag, type=type(default), default=default)
parser.add_argument("--width", type=int, default=128, help="of the hidden layers")
parser.add_argument("--data-dir", help="a folder that has the files or will get them")
parser.add_argument("--save", help="a file for the trained module")
args = parser.parse_args()
try:
    data = {name: tnt.vision.mnist(name, args.data_dir) for name in ("train", "test")}
except FileNotFoundError:
    print("No MNIST here and none to be fetched: training on the 6,000 digits inside.")
    data = {name: tnt.vision.mnist_sample(name) for name in ("train", "test")}


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def reset(state):  # on the host
    return state.replace(meters={"error": tnt.ClassErrorMeter()})


def prepare(state):  # compiled: uint8 travels, floats are made on the device
    pixels = state.sample["input"].reshape(-1, 784) / 255.0
    return state.replace(sample={**state.sample, "input": pixels})


def measure(state):  # compiled
    error = state.meters["error"].add(state.output, state.sample["target"])
    return state.replace(meters={"error": error})


def show(state, when):
    print(f"{when:9} error {state.meters['error'].value()[1]:5.2f} %")
    return state


hooks = tnt.Hooks(on_start=reset, on_sample=prepare, on_forward_criterion=measure)
end = tnt.Hooks(
    on_start_epoch=reset, on_end_epoch=lambda s: show(s, f"epoch {s.epoch}:")
)
engine = tnt.OptimEngine(tnt.chain(hooks, end))
model = eqx.nn.MLP(784, 10, args.width, depth=2, key=jax.random.key(0))
state = engine.train(
    network=tnt.network.equinox(model),
    criterion=criterion,
    iterator=tnt.DatasetIterator(tnt.shuffle_and_batch(data["train"], args.batch_size)),
    optimizer=optax.adam(args.lr),
    max_epoch=args.epochs,
)
model = eqx.combine(state.params, model)  # equinox' own module, trained
test = tnt.DatasetIterator(tnt.BatchDataset(data["test"], 500))
network = tnt.network.equinox(model)
show(engine.test(network=network, criterion=criterion, iterator=test), "test:")
if args.save:
    eqx.tree_serialise_leaves(args.save, model)
