"""How fast an epoch of batches comes out of a stack of datasets.

Run: python benchmarks/gather.py [--repeats 15]

Shuffle, a transform of many samples at once, and batches of 128, over arrays as large
as MNIST: all batches taken at once, 32 at a time as an engine does, and one by one.
Beside it the bare `np.take` of the same rows, and the loaders that are installed, which
hand over one batch at a time. All run in turns, each in an order of its own, in one
process on the same arrays; printed are the median time, and the median of the ratios to
`np.take` in the same turn.
"""

import argparse
import importlib.util
import os
import platform
import random
import statistics
import time

import numpy as np

import tntjax as tnt

BATCH, CHUNK, BAR = 128, 32, 1.3


def mark(sample):
    """Costs nothing itself, so that what is measured is the way there."""
    return {**sample, "input": sample["input"].view(np.int8)}


def bare(images, labels):
    full = len(labels) // BATCH

    def epoch(seed):
        order = np.random.default_rng(seed).permutation(len(labels))
        rows = order[: full * BATCH].reshape(full, BATCH)
        yield {"input": images.take(rows, 0), "target": labels.take(rows, 0)}

    return epoch


def bare_chunks(images, labels):
    full = len(labels) // BATCH

    def epoch(seed):
        order = np.random.default_rng(seed).permutation(len(labels))
        windows = order[: full * BATCH].reshape(full, BATCH)
        for start in range(0, full, CHUNK):
            rows = windows[start : start + CHUNK]
            yield {"input": images.take(rows, 0), "target": labels.take(rows, 0)}

    return epoch


def stack(images, labels, seed):
    table = tnt.TableDataset({"input": images, "target": labels})
    moved = tnt.TransformDataset(tnt.ShuffleDataset(table, seed), mark, batched=True)
    return tnt.BatchDataset(moved, BATCH, policy="skip-last")


def at_once(images, labels):
    def epoch(seed):
        dataset = stack(images, labels, seed)
        yield dataset.take(np.arange(len(dataset)))

    return epoch


def in_chunks(images, labels):
    def epoch(seed):
        dataset = stack(images, labels, seed)
        chunks = tnt.DatasetIterator(dataset).chunks(0, 0, lambda *_, **__: CHUNK)
        for chunk in chunks:
            yield chunk.xs

    return epoch


def one_by_one(images, labels):
    def epoch(seed):
        yield from tnt.DatasetIterator(stack(images, labels, seed))

    return epoch


def grain_loader(images, labels):
    import grain

    def epoch(seed):
        rows = grain.MapDataset.source(range(len(labels))).shuffle(seed=seed)
        samples = rows.map(lambda i: {"input": images[i], "target": labels[i]})
        yield from samples.batch(BATCH, drop_remainder=True)

    return epoch


def torch_loader(images, labels):
    import torch

    data = torch.utils.data.TensorDataset(
        torch.from_numpy(images), torch.from_numpy(labels)
    )
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, drop_last=True)

    def epoch(seed):
        torch.manual_seed(seed)
        for image, label in loader:
            yield {"input": image, "target": label}

    return epoch


def contestants():
    yield "np.take, all at once", bare
    yield "tntjax, all at once", at_once
    yield "np.take, 32 batches at a time", bare_chunks
    yield "tntjax, 32 batches at a time", in_chunks
    yield "tntjax, batch by batch", one_by_one
    if importlib.util.find_spec("torch"):
        yield "torch DataLoader", torch_loader
    if importlib.util.find_spec("grain"):
        yield "grain MapDataset", grain_loader


def checked(images, labels):
    """All must hand over every sample at most once, and all but a last few."""
    full = len(labels) // BATCH * BATCH
    for name, make in contestants():
        seen = sum(np.asarray(part["target"]).size for part in make(images, labels)(0))
        assert seen == full, f"{name} gave {seen} of {full} samples"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(60_000, 28, 28), dtype=np.uint8)
    labels = generator.integers(10, size=60_000, dtype=np.int64)
    checked(images, labels)  # and warms up
    rows = [(name, make(images, labels), []) for name, make in contestants()]
    for repeat in range(repeats):
        for _, epoch, times in random.Random(repeat).sample(rows, len(rows)):
            start = time.perf_counter()
            for _ in epoch(repeat):
                pass
            times.append(time.perf_counter() - start)
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}")
    print(f"\n{'one epoch of ' + str(len(labels)):34}{'median s':>10}{'ratio':>8}")
    base, found = rows[0][2], {}
    for name, _, times in rows:
        found[name] = statistics.median(np.divide(times, base))
        print(f"{name:34}{statistics.median(times):>10.4f}{found[name]:>8.2f}")
    ratio = found["tntjax, all at once"]
    print(f"\nratio {ratio:.2f}, at most {BAR}: {'yes' if ratio <= BAR else 'NO'}")


if __name__ == "__main__":
    main()
