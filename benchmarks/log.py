"""What a log costs beside bare `print` and `json.dumps`, and a record beside none.

Run: python benchmarks/log.py [--rows 100000] [--repeats 5] [--rounds 10]

Rows of four values are set and flushed with `text` and `json`, to two open files, and
are printed to two by hand, each line flushed, turn by turn in one process. Then epochs
of a network with 128 hidden units on the shape of MNIST are trained with and without
progress and a record in TensorBoard, which needs `pip install "tntjax[tensorboard]"`;
and of logistic regression, whose epoch of a twentieth of a second is the shortest that
one meets. Printed are medians, and the medians of the ratios in the same turn;
either goes first as often.

From one process to the next the ratios of whole runs vary by more than the hooks cost,
as they do for a hook that does nothing. So the cost is measured by its parts, which a
turn takes too little time to disturb: what the hooks add to a run of epochs of ten
steps each, and what they add to the steps of a compiled call, run by itself. Their sum
is put beside the time of a whole run, and is what a bar is for.
"""

import argparse
import importlib.util
import io
import itertools
import json
import statistics
import tempfile
import time
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tntjax as tnt

KEYS = ["epoch", "t", "loss", "error"]
EPOCHS = 5  # of a run, as of the README's program
SHORT, TURNS = 10, 20  # steps of a short epoch; turns in a round
ROWS_BAR, PROGRESS_BAR, TRAINING_BAR = 2.0, 0.01, 0.03
SAMPLES, FEATURES, HIDDEN, CLASSES, BATCH = 60_000, 784, 128, 10, 128


def make_row(t):
    return {"epoch": t // 469, "t": t, "loss": 1 / (t + 1), "error": 100 / (t + 1)}


def bare(rows, text, lines):
    for t in range(rows):
        row = make_row(t)
        print(
            f"epoch {row['epoch']} | t {row['t']} | loss {row['loss']:.4f}"
            f" | error {row['error']:.2f}",
            file=text,
            flush=True,
        )
        print(json.dumps(row), file=lines, flush=True)


def logged(rows, text, lines):
    formats = {"loss": "loss %.4f", "error": "error %.2f"}
    views = [
        tnt.log.text(KEYS, file=text, format=formats),
        tnt.log.json(KEYS, file=lines),
    ]
    log = tnt.Log(KEYS, on_flush=views)
    for t in range(rows):
        log = log.set(make_row(t)).flush()


def write_rows(function, rows):
    with tempfile.TemporaryFile("w") as text, tempfile.TemporaryFile("w") as lines:
        start = time.perf_counter()
        function(rows, text, lines)
        return time.perf_counter() - start


def forward(params, input):
    for weight in params[:-1]:
        input = jax.nn.relu(input @ weight)
    return input @ params[-1]


def make_job(*sizes, samples=SAMPLES):
    rng, shapes = np.random.default_rng(0), list(itertools.pairwise(sizes))
    data = {
        "input": rng.normal(size=(samples, FEATURES)).astype(np.float32),
        "target": rng.integers(CLASSES, size=samples, dtype=np.int32),
    }
    batches = tnt.BatchDataset(tnt.TableDataset(data), BATCH, policy="skip-last")
    return {
        "network": forward,
        "criterion": optax.softmax_cross_entropy_with_integer_labels,
        "iterator": tnt.DatasetIterator(batches),
        "params": [jnp.asarray(rng.normal(size=s) / s[0] ** 0.5, "f4") for s in shapes],
        "lr": 0.01,
        "max_epoch": EPOCHS,
    }


def train(hooks, job):
    start = time.perf_counter()
    jax.block_until_ready(tnt.SGDEngine(hooks).train(**job).params)
    return time.perf_counter() - start


def compare(name, functions, repeats, bar=None):
    """Runs two functions turn by turn, and prints how the second compares."""
    for function in functions.values():
        function()  # compiles, and warms up
    first, second = functions
    turns = []
    for turn in range(repeats):  # either goes first as often
        keys = (first, second) if turn % 2 else (second, first)
        turns.append({key: functions[key]() for key in keys})
    for key in functions:
        print(f"{name}, {key:22} {statistics.median(t[key] for t in turns):7.3f} s")
    ratio = statistics.median(turn[second] / turn[first] for turn in turns)
    verdict = f", at most {bar}: {'yes' if ratio <= bar else 'NO'}" if bar else ""
    print(f"ratio {ratio:.3f}{verdict}")


class Terminal(io.StringIO):
    """A file on which rich draws bars."""

    def isatty(self):
        return True


def capture_call(hooks, job):
    """Returns the first compiled call of a training, and copies of what it is given."""
    calls, jit = [], jax.jit

    def spy(function, **given):
        jitted = jit(function, **given)

        def call(heavy, rest):
            if not calls:
                copies = jax.tree.map(lambda leaf: leaf.copy(), (heavy, rest))
                calls.append((jitted, *copies))
            return jitted(heavy, rest)

        call.trace = jitted.trace
        return call if function.__name__ == "call" else jitted

    anew = {"network": lambda params, input: forward(params, input)}
    with mock.patch.object(jax, "jit", spy):
        train(hooks, job | anew | {"max_epoch": 1})
    return calls[0]


def make_calls(hooks, job):
    """Returns functions that make a call of 32 steps, without hooks and with."""
    calls = [capture_call(some, job) for some in (tnt.Hooks(), hooks)]
    # Both read the same batches: where others lie makes a difference of a fifth.
    batches = {leaf.shape: leaf for leaf in calls[0][2] if leaf.nbytes > 1000}

    def make(jitted, heavy, rest):
        rest = [batches.get(leaf.shape, leaf) for leaf in rest]

        def run():
            donated = jax.block_until_ready(jax.tree.map(lambda x: x.copy(), heavy))
            start = time.perf_counter()
            jax.block_until_ready(jitted(donated, rest))
            return time.perf_counter() - start

        return run

    return [make(*call) for call in calls]


def measure_added(without, with_hooks, turns):
    """Returns the seconds that the second takes more: the median of a turn."""
    added = []
    for turn in range(turns + 2):
        if turn % 2:
            added.append(-without() + with_hooks())
        else:
            added.append(with_hooks() - without())
    return statistics.median(added[2:])  # those compiled, and warmed up


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    writers = {
        "print and dumps": lambda: write_rows(bare, options.rows),
        "text and json": lambda: write_rows(logged, options.rows),
    }
    compare(f"{options.rows} rows", writers, options.repeats, ROWS_BAR)
    if importlib.util.find_spec("tensorboardX") is None:
        return
    for sizes in (FEATURES, HIDDEN, CLASSES), (FEATURES, CLASSES):
        compare_trainings(sizes, options.rounds)


def compare_trainings(sizes, rounds):
    name, job = "-".join(map(str, sizes)), make_job(*sizes)
    with tempfile.TemporaryDirectory() as folder:
        lines, bar = map(tnt.hooks.progress, (io.StringIO(), Terminal()))
        all_three = tnt.chain(bar, tnt.hooks.record(tnt.log.tensorboard(folder)))
        kinds = {
            "progress in lines": (lines, PROGRESS_BAR),
            "progress as a bar": (bar, PROGRESS_BAR),
            "progress, record, TensorBoard": (all_three, TRAINING_BAR),
        }
        for what, (hooks, _) in kinds.items():
            trainings = {
                "no hooks": lambda: train(tnt.Hooks(), job),
                what: lambda hooks=hooks: train(hooks, job),
            }
            compare(f"{EPOCHS} epochs {name}", trainings, rounds)
        for what, (hooks, most) in kinds.items():
            print(f"{name}, {what}: {describe_added(hooks, sizes, rounds, most)}")


def describe_added(hooks, sizes, rounds, most):
    """Says what hooks cost, as a share of a run without."""
    job, short = make_job(*sizes), make_job(*sizes, samples=SHORT * BATCH)
    runs = [lambda some=some: train(some, short) for some in (tnt.Hooks(), hooks)]
    run = measure_added(*runs, TURNS * rounds)
    step = measure_added(*make_calls(hooks, job), 4 * TURNS * rounds) / 32
    whole = statistics.median(train(tnt.Hooks(), job) for _ in range(rounds))
    share = (run + step * job["max_epoch"] * len(job["iterator"])) / whole
    return (
        f"{1e3 * run:.2f} ms a run and {1e6 * step:.2f} us a step more, {share:.2%} of"
        f" {whole:.3f} s, at most {most:.0%}: {'yes' if share <= most else 'NO'}"
    )


if __name__ == "__main__":
    main()
