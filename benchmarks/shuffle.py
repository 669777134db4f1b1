"""How long an order of a thousand million samples takes: to make, and to look up.

Run: python benchmarks/shuffle.py [--repeats 15]

A million look-ups are random places of the order, in one call; beside it what NumPy
takes to draw as many random numbers, turn by turn in one process. A permutation of this
length as a table would be 8 GB.
"""

import argparse
import os
import platform
import statistics
import time

import numpy as np

import tntjax as tnt

LENGTH, LOOK_UPS = 10**9, 10**6


class Numbers:
    """Each sample is its own index, so that the order is all that takes time."""

    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        return index

    def take(self, indices):
        return indices


def timed(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    source = Numbers()
    generator = np.random.default_rng(0)
    made, drawn, looked = [], [], []
    for seed in range(repeats):
        seconds, dataset = timed(lambda seed=seed: tnt.ShuffleDataset(source, seed))
        made.append(seconds)
        seconds, places = timed(lambda: generator.integers(LENGTH, size=LOOK_UPS))
        drawn.append(seconds)
        seconds, found = timed(lambda d=dataset, p=places: d.take(p))
        looked.append(seconds)
        assert len(np.unique(found)) == len(np.unique(places))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}")
    rows = {"making the order": made, "looking up 10^6": looked, "drawing 10^6": drawn}
    for name, times in rows.items():
        ratio = statistics.median(a / b for a, b in zip(times, drawn, strict=True))
        print(f"{name:20}{statistics.median(times) * 1e3:>10.3f} ms{ratio:>10.2f}")
    for name, times, bar in (("making", made, 1e-3), ("looking up", looked, 1.0)):
        median = statistics.median(times)
        print(f"{name}: at most {bar} s: {'yes' if median <= bar else 'NO'}")


if __name__ == "__main__":
    main()
