"""Many learning rates at once: as many runs on MNIST, in one program. Try --help."""

import argparse

import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--members", type=int, default=64, help="how many rates")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--data-dir", help="where MNIST's files are or will be put")
parser.add_argument("--plot", help='a picture to write: pip install "tntjax[plot]"')
args = parser.parse_args()
try:
    train, test = (tnt.vision.mnist(part, args.data_dir) for part in ("train", "test"))
except FileNotFoundError:
    print("No MNIST here and none to be fetched: training on the 6,000 digits inside.")
    train, test = tnt.vision.mnist_sample("train"), tnt.vision.mnist_sample("test")


def network(params, input):  # one member's: [B, 28, 28] uint8 -> [B, 10]
    return input.reshape(-1, 784) / 255.0 @ params["weight"] + params["bias"]


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


metering = tnt.hooks.metering(
    error=(tnt.ClassErrorMeter(), lambda state: (state.output, state.sample["target"]))
)
engine = tnt.SGDEngine(metering)
rates = np.geomspace(1e-3, 10, args.members)
state = engine.train(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator(tnt.shuffle_and_batch(train, args.batch_size)),
    params={  # for each member its own
        "weight": jnp.zeros((args.members, 784, 10)),
        "bias": jnp.zeros((args.members, 10)),
    },
    lr=rates,
    max_epoch=args.epochs,
    members=args.members,
)
tested = engine.test(
    network=network,
    criterion=criterion,
    iterator=tnt.DatasetIterator(tnt.BatchDataset(test, args.batch_size)),
    params=state.params,
    members=args.members,
)
errors = tested.meters["error"].value()[1]  # [members], in percent
for rate, error in zip(rates, errors, strict=True):
    print(f"lr {rate:8.4f}  error {error:5.2f} %  {'#' * int(min(error, 60))}")
if args.plot:
    from matplotlib import pyplot

    pyplot.semilogx(rates, errors, "o-")
    pyplot.xlabel("learning rate")
    pyplot.ylabel("test error, %")
    pyplot.savefig(args.plot)
print(f"best: lr {rates[np.argmin(errors)]:.4f}, error {min(errors):.2f} %")
