"""Many members in one program, beside the same runs one after the other.

Run: python benchmarks/members.py [--members 8 64] [--epochs 2] [--repeats 5]

Logistic regression on MNIST, or on numbers of its size, each member with a learning
rate of its own, the mean loss and the error metered. Turn by turn in one process,
compiled before: all members together; so many runs alone, one after the other (eight
are measured); and one alone. Printed are medians, and the medians of the ratios in the
same turn.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

BATCH = 128


def network(params, input):  # [B, 784] -> [B, 10]
    return input @ params["weight"] + params["bias"]


def criterion(output, target):  # [B, 10], [B] -> [B]
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def dataset():
    try:
        data = tnt.vision.mnist("train").data
        input = np.float32(data["input"]).reshape(-1, 784) / 255
        target = np.asarray(data["target"])
    except FileNotFoundError:
        rng = np.random.default_rng(0)
        input = rng.random((60_000, 784), np.float32)
        target = rng.integers(0, 10, 60_000, np.int32)
    table = tnt.TableDataset({"input": jnp.asarray(input), "target": target})
    return tnt.BatchDataset(jax.device_put(table), BATCH, policy="skip-last")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    metering = tnt.hooks.metering(
        loss=(tnt.AverageValueMeter(), lambda state: state.loss),
        error=(tnt.ClassErrorMeter(), lambda s: (s.output, s.sample["target"])),
    )
    engine = tnt.SGDEngine(metering)
    iterator = tnt.DatasetIterator(dataset())
    job = {"network": network, "criterion": criterion, "iterator": iterator}

    def seconds(rates, members=None):
        axes = () if members is None else (members,)
        params = {
            "weight": jnp.zeros((*axes, 784, 10)),
            "bias": jnp.zeros((*axes, 10)),
        }
        start = time.perf_counter()
        state = engine.train(
            **job, params=params, lr=rates, members=members, max_epoch=args.epochs
        )
        jax.block_until_ready(state.params)
        return time.perf_counter() - start

    print(f"{jax.devices()[0]}, jax {jax.__version__}, {args.epochs} epochs")
    for members in args.members:
        rates = np.geomspace(0.01, 1, members).astype(np.float32)
        seconds(rates, members), seconds(float(rates[0]))
        together, apart, alone = [], [], []
        for _ in range(args.repeats):
            together.append(seconds(rates, members))
            some = [seconds(float(rate)) for rate in rates[:8]]
            apart.append(sum(some) * members / len(some))
            alone.append(some[0])
        to_apart, to_one = (
            statistics.median(a / b for a, b in zip(together, others, strict=True))
            for others in (apart, alone)
        )
        print(
            f"{members:4} members: {statistics.median(together):7.3f} s together,"
            f" {statistics.median(apart):7.3f} s one after the other: {to_apart:.2f};"
            f" {to_one:.2f} times one alone"
        )


if __name__ == "__main__":
    main()
