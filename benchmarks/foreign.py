"""How fast batches come out of a Hugging Face dataset, beside torch's loader.

Run: python benchmarks/foreign.py [--rows 20000] [--repeats 5]

Rows of 64 float32 and a label, shuffled, in batches of 64: by torch's DataLoader, by
`BatchDataset` over `ShuffleDataset`, and with a function of each sample in between. All
run in turns in one process, each in an order of its own; printed are the median time of
an epoch, and the median of the ratios to torch's loader in the same turn.
"""

import argparse
import os
import platform
import statistics
import time

import datasets
import numpy as np
import torch

import tntjax as tnt

BATCH, BAR = 64, 1.2


def rows_of(count):
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((count, 64), np.float32)
    table = {"input": list(inputs), "target": np.arange(count)}
    return datasets.Dataset.from_dict(table).with_format("numpy")


def same(sample):
    return sample


def torch_loader(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.utils.data.DataLoader(rows, BATCH, shuffle=True, generator=generator)


def shuffled(rows, seed):
    return tnt.BatchDataset(tnt.ShuffleDataset(rows, seed), BATCH)


def transformed(rows, seed):
    moved = tnt.TransformDataset(tnt.ShuffleDataset(rows, seed), same)
    return tnt.BatchDataset(moved, BATCH)


def each(rows, seed):
    return tnt.DatasetIterator(shuffled(rows, seed))


CONTESTANTS = {
    "torch DataLoader": torch_loader,
    "tntjax": shuffled,
    "tntjax, DatasetIterator": each,
    "tntjax, a function of samples": transformed,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = rows_of(options.rows)
    times = {name: [] for name in CONTESTANTS}
    for repeat in range(options.repeats + 1):
        for name, make in CONTESTANTS.items():
            start, seen = time.perf_counter(), 0
            for batch in make(rows, repeat):
                seen += int(batch["target"].sum())
            assert seen == sum(range(options.rows)), name
            if repeat:  # the first warms up
                times[name].append(time.perf_counter() - start)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, datasets {datasets.__version__}"
    )
    print(f"\n{'one epoch of ' + str(options.rows):32}{'median s':>10}{'ratio':>8}")
    base = times["torch DataLoader"]
    for name, found in times.items():
        ratio = statistics.median(np.divide(found, base))
        print(f"{name:32}{statistics.median(found):>10.3f}{ratio:>8.2f}")
    ratio = statistics.median(np.divide(times["tntjax"], base))
    good = "yes" if ratio <= BAR else "NO"
    print(f"\nratio {ratio:.2f} to torch's loader, at most {BAR}: {good}")


if __name__ == "__main__":
    main()
