"""What plugins cost: epochs of a small problem with each, turn by turn.

Run: python benchmarks/hooks.py [--hidden 256] [--rounds 10]. Without hidden layers it
is logistic regression on the shape of MNIST, the smallest step of interest. Prints the
median over the rounds of the ratio to the epoch with meters alone, once of wall-clock
time and once of processor time, which other programs on the machine disturb less.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

SAMPLES, FEATURES, CLASSES, BATCH = 30_000, 784, 10, 128


def network(params, input):
    for layer in params[:-1]:
        input = jax.nn.relu(input @ layer["weight"] + layer["bias"])
    return input @ params[-1]["weight"] + params[-1]["bias"]


def criterion(output, target):
    return optax.softmax_cross_entropy_with_integer_labels(output, target)


def read_loss(state):
    return state.loss


def read_pair(state):
    return state.output, state.sample["target"]


def make_problem(hidden: int):
    rng = np.random.default_rng(0)
    data = {
        "input": rng.normal(size=(SAMPLES, FEATURES)).astype(np.float32),
        "target": rng.integers(CLASSES, size=SAMPLES, dtype=np.int32),
    }
    batches = tnt.BatchDataset(tnt.TableDataset(data), BATCH, policy="skip-last")
    sizes = [FEATURES, *[hidden] * 2, CLASSES] if hidden else [FEATURES, CLASSES]

    def layer(inputs, outputs):
        weight = 0.02 * rng.normal(size=(inputs, outputs)).astype(np.float32)
        return {"weight": jnp.asarray(weight), "bias": jnp.zeros(outputs)}

    params = [layer(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    return {"iterator": tnt.DatasetIterator(batches), "params": params}


def plugins() -> dict[str, tnt.Hooks]:
    hooks = tnt.hooks
    return {
        "meters alone": tnt.Hooks(),
        "learning_rate": hooks.learning_rate(optax.cosine_decay_schedule(0.1, 10**4)),
        "ema": hooks.ema(0.999),
        "nan_guard": hooks.nan_guard(),
        "loss_scaling": hooks.loss_scaling(),
        "timing": hooks.timing(lambda record: None),
    }


def measure(engine, job) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    state = engine.train(
        network=network, criterion=criterion, lr=0.1, max_epoch=1, **job
    )
    jax.block_until_ready(state.params)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    job = make_problem(options.hidden)
    meters = tnt.hooks.metering(
        loss=(tnt.AverageValueMeter(), read_loss),
        error=(tnt.ClassErrorMeter(), read_pair),
    )
    engines = {k: tnt.SGDEngine(tnt.chain(meters, h)) for k, h in plugins().items()}
    rounds = [
        {name: measure(engine, job) for name, engine in engines.items()}
        for _ in range(options.rounds + 1)
    ][1:]  # the first compiles
    print(
        f"{'one epoch of 234 steps':24} {'median ms':>9} {'wall':>6} {'processor':>9}"
    )
    for name in engines:
        wall, processor = (
            statistics.median(r[name][k] / r["meters alone"][k] for r in rounds)
            for k in (0, 1)
        )
        median = 1000 * statistics.median(r[name][0] for r in rounds)
        print(f"{name:24} {median:9.1f} {wall:6.2f} {processor:9.2f}")


if __name__ == "__main__":
    main()
