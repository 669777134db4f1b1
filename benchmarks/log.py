"""What a log costs beside bare `print` and `json.dumps`, and a record beside none.

Run: python benchmarks/log.py [--rows 100000] [--repeats 5] [--rounds 10]

Rows of four values are set and flushed with `text` and `json`, to two open files, and
are printed to two by hand, each line flushed, turn by turn in one process. Then epochs
of a network with 128 hidden units on the shape of MNIST are trained with and without
progress and a record in TensorBoard, which needs `pip install "tntjax[tensorboard]"`;
and of logistic regression, whose epoch of a twentieth of a second is the shortest that
one meets. Printed are medians, and the medians of the ratios in the same turn;
either goes first as often.

Other programs on the machine make these ratios vary by more than the hooks cost. So
printed is also the processor time inside the functions of the Hooks value that the host
calls, beside the time of the run, each the least of some; and how many operations the
hooks add to a step, before XLA fuses them.
"""

import argparse
import dataclasses
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

HOST = ("on_start", "on_start_epoch", "on_end_epoch", "on_end")
KEYS = ["epoch", "t", "loss", "error"]
ROWS_BAR, PROGRESS_BAR, TRAINING_BAR = 2.0, 1.01, 1.03
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


def make_job(*sizes):
    rng, shapes = np.random.default_rng(0), list(itertools.pairwise(sizes))
    data = {
        "input": rng.normal(size=(SAMPLES, FEATURES)).astype(np.float32),
        "target": rng.integers(CLASSES, size=SAMPLES, dtype=np.int32),
    }
    batches = tnt.BatchDataset(tnt.TableDataset(data), BATCH, policy="skip-last")
    return {
        "network": forward,
        "criterion": optax.softmax_cross_entropy_with_integer_labels,
        "iterator": tnt.DatasetIterator(batches),
        "params": [jnp.asarray(rng.normal(size=s) / s[0] ** 0.5, "f4") for s in shapes],
        "lr": 0.01,
        "max_epoch": 2,
    }


def train(hooks, job):
    start = time.perf_counter()
    jax.block_until_ready(tnt.SGDEngine(hooks).train(**job).params)
    return time.perf_counter() - start


def compare(name, functions, repeats, bar):
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
    print(f"ratio {ratio:.3f}, at most {bar}: {'yes' if ratio <= bar else 'NO'}")


class Terminal(io.StringIO):
    """A file on which rich draws bars."""

    def isatty(self):
        return True


class Stopwatch:
    """Adds up the processor time of the calling thread inside functions."""

    seconds = 0.0

    def time(self, function):
        def timed(*arguments, **named):
            start = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.thread_time() - start

        return timed

    def time_functions(self, value, names=None):
        """Returns a dataclass with its functions timed."""
        names = names or [field.name for field in dataclasses.fields(value)]
        found = {name: getattr(value, name) for name in names}
        timed = {n: self.time(f) for n, f in found.items() if callable(f)}
        return dataclasses.replace(value, **timed)

    def time_hooks(self, hooks):
        around = {
            kind: tuple(map(self.time_functions, getattr(hooks, kind)))
            for kind in ("scheduled", "sessions", "displays")
        }
        return dataclasses.replace(self.time_functions(hooks, HOST), **around)


def measure_own(hooks, job):
    """Returns the seconds inside the hooks' own calls, and those of the run."""
    watch = Stopwatch()
    whole = train(watch.time_hooks(hooks), job)
    return watch.seconds, whole


def count_operations(hooks, job):
    """Counts the operations of the first compiled call, before XLA fuses them."""
    counts, jit = [], jax.jit

    def spy(function, **given):
        jitted = jit(function, **given)

        def call(heavy, rest):
            counts.append(str(jitted.trace(heavy, rest).jaxpr).count(" = "))
            return jitted(heavy, rest)

        call.trace = jitted.trace
        return call if function.__name__ == "call" else jitted

    anew = {"network": lambda params, input: forward(params, input)}
    with mock.patch.object(jax, "jit", spy):
        train(hooks, job | anew | {"max_epoch": 1})
    return counts[0]


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
        compare_trainings("-".join(map(str, sizes)), make_job(*sizes), options.rounds)


def compare_trainings(name, job, rounds):
    with tempfile.TemporaryDirectory() as folder:
        lines, bar = map(tnt.hooks.progress, (io.StringIO(), Terminal()))
        recorded = tnt.hooks.record(tnt.log.tensorboard(folder))
        kinds = {
            "progress in lines": (lines, PROGRESS_BAR),
            "progress as a bar": (bar, PROGRESS_BAR),
            "progress, record, TensorBoard": (
                tnt.chain(bar, recorded),
                TRAINING_BAR,
            ),
        }
        for what, (hooks, most) in kinds.items():
            trainings = {
                "no hooks": lambda: train(tnt.Hooks(), job),
                what: lambda hooks=hooks: train(hooks, job),
            }
            compare(f"two epochs {name}", trainings, rounds, most)
        none = count_operations(tnt.Hooks(), job)
        for what, (hooks, most) in kinds.items():
            added = count_operations(hooks, job) - none
            runs = [measure_own(hooks, job) for _ in range(rounds)]
            own, whole = map(min, zip(*runs, strict=True))
            print(
                f"{name}, {what}: {1000 * own:.1f} ms in its own calls,"
                f" {own / whole:.2%} of the run, at most {most - 1:.0%}:"
                f" {'yes' if own / whole <= most - 1 else 'NO'}; {added:+} operations"
                f" in a step, {none} without"
            )


if __name__ == "__main__":
    main()
