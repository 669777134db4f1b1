"""The first epoch of MNIST in a fresh process, by hand and with tntjax.

Run: TNTJAX_DATA=folder python benchmarks/cold.py [--repeats 5]

Starting Python, importing, reading the data, tracing and compiling are in the time, as
for a person who starts a script. Processes take turns; printed are the median seconds
and the median of the ratios in the same turn. Both train in chunks of 32 batches and a
shorter last one, and count loss and error; tntjax also shows them every 100 updates.
Bytecode is written, as pip does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BATCH, LR, CHUNK, MOST = 128, 0.2, 32, 1.4


def by_hand(images, labels):
    import jax
    import jax.numpy as jnp
    import optax

    def step(carry, batch):
        params, loss_sum, wrong = carry
        image, label = batch

        def objective(params):
            output = image.reshape(-1, 784) / 255.0 @ params["weight"] + params["bias"]
            loss = optax.softmax_cross_entropy_with_integer_labels(output, label)
            return loss.mean(), output

        (loss, output), grads = jax.value_and_grad(objective, has_aux=True)(params)
        params = jax.tree.map(lambda p, g: p - LR * g, params, grads)
        wrong += (output.argmax(-1) != label).sum(dtype=jnp.int32)
        return (params, loss_sum + loss * len(label), wrong), None

    scan = jax.jit(lambda carry, chunk: jax.lax.scan(step, carry, chunk)[0])
    params = {"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)}
    carry = params, jnp.float32(0), jnp.int32(0)
    order = np.random.default_rng(0).permutation(len(labels))
    full = len(order) // BATCH
    windows = order[: full * BATCH].reshape(full, BATCH)
    for start in range(0, full, CHUNK):
        rows = windows[start : start + CHUNK]
        carry = scan(carry, (images[rows], labels[rows]))
    rows = order[None, full * BATCH :]
    carry = scan(carry, (images[rows], labels[rows]))
    print(float(carry[1]) / len(labels), int(carry[2]) / len(labels))


def by_engine(images, labels):
    import jax.numpy as jnp
    import optax

    import tntjax as tnt

    def prepare(state):
        image = state.sample["input"].reshape(-1, 784) / 255.0
        return state.replace(sample={**state.sample, "input": image})

    def show(state):
        print(state.t, state.meters["loss"], state.meters["error"])

    metering = tnt.hooks.metering(
        loss=(tnt.AverageValueMeter(), lambda state: state.loss),
        error=(tnt.ClassErrorMeter(), lambda s: (s.output, s.sample["target"])),
    )
    hooks = tnt.chain(tnt.Hooks(on_sample=prepare), metering, tnt.watch(100, show))
    table = tnt.TableDataset({"input": images, "target": labels})
    state = tnt.SGDEngine(hooks).train(
        network=lambda params, input: input @ params["weight"] + params["bias"],
        criterion=optax.softmax_cross_entropy_with_integer_labels,
        iterator=tnt.DatasetIterator(
            lambda epoch: tnt.BatchDataset(tnt.ShuffleDataset(table, epoch), BATCH)
        ),
        params={"weight": jnp.zeros((784, 10)), "bias": jnp.zeros(10)},
        lr=LR,
        max_epoch=1,
    )
    show(state)


CONTESTANTS = {"by hand": by_hand, "tntjax": by_engine}


def run_alone(name, folder):
    arrays = (np.load(folder / f"{part}.npy") for part in ("images", "labels"))
    CONTESTANTS[name](*arrays)


def measure(name, folder):
    command = [sys.executable, __file__, "--alone", name, str(folder)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alone", nargs=2, metavar=("NAME", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.alone:
        return run_alone(arguments.alone[0], Path(arguments.alone[1]))

    import tntjax as tnt

    data = tnt.vision.mnist("train").data
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/images.npy", data["input"])
        np.save(f"{folder}/labels.npy", data["target"])
        times = {name: [] for name in CONTESTANTS}
        for _ in range(arguments.repeats + 1):  # the first one reads from the disk
            for name in CONTESTANTS:
                times[name].append(measure(name, Path(folder)))
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}\n")
    print(f"{'a process of one epoch':26}{'median s':>10}{'ratio':>8}")
    hand = times["by hand"][1:]
    for name, spent in times.items():
        ratio = statistics.median(a / b for a, b in zip(spent[1:], hand, strict=True))
        print(f"{name:26}{statistics.median(spent[1:]):>10.2f}{ratio:>8.2f}")
    print(f"\nratio {ratio:.2f}, at most {MOST}: {'yes' if ratio <= MOST else 'NO'}")


if __name__ == "__main__":
    main()
