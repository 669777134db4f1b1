"""Exact AUC and mean average precision, against the peers that are installed.

Run: python benchmarks/ranking.py [--repeats 9]

200,000 scores of one class, and 20,000 examples of 50 classes, in batches of 512: each
contestant takes the same float32 arrays in, batch by batch, and gives the value. All
run turn by turn in one process. Printed are medians, of adding and of the value, and
the median of the ratios to the second row in the same turn. Adds are compiled in one
call of a scan over batches, which are an argument; the value is computed on the host,
and in the third row by XLA.
"""

import argparse
import importlib.util
import os
import platform
import statistics
import time

import jax
import numpy as np

import tntjax as tnt

BATCH, BAR = 512, 2.0


def tntjax_host(scores, targets):
    meter = tnt.AUCMeter() if scores.ndim == 1 else tnt.mAPMeter()

    def add():
        filled = meter
        for start in range(0, len(scores), BATCH):
            rows = slice(start, start + BATCH)
            filled = filled.add(scores[rows], targets[rows])
        return filled

    return add, number


def tntjax_compiled(scores, targets):
    rows, classes = len(scores), scores.shape[1:]
    meter = tnt.mAPMeter(rows, *classes) if classes else tnt.AUCMeter(rows)
    full = rows // BATCH * BATCH
    batches, rest = (
        tuple(part[:full].reshape(-1, BATCH, *classes) for part in (scores, targets)),
        tuple(part[full:] for part in (scores, targets)),
    )

    @jax.jit
    def fill(meter, batches, rest):
        add = lambda meter, batch: (meter.add(*batch), None)  # noqa: E731
        return jax.lax.scan(add, meter, batches)[0].add(*rest)

    def add():
        return jax.block_until_ready(fill(meter, batches, rest))

    return add, number


def tntjax_in_jit(scores, targets):
    add, _ = tntjax_compiled(scores, targets)
    value = jax.jit(lambda meter: meter.value())
    return add, lambda meter: float(jax.tree.leaves(value(meter))[0])


def number(meter):
    return float(jax.tree.leaves(meter.value())[0])


def torchmetrics_class(scores, targets):
    import torch
    from torchmetrics import classification

    scores, targets = torch.from_numpy(scores), torch.from_numpy(targets).long()

    def add():
        if scores.ndim == 1:
            metric = classification.BinaryAUROC()
        else:
            metric = classification.MultilabelAveragePrecision(scores.shape[1])
        for start in range(0, len(scores), BATCH):
            rows = slice(start, start + BATCH)
            metric.update(scores[rows], targets[rows])
        return metric

    return add, lambda metric: float(metric.compute())


def scikit_learn(scores, targets):
    from sklearn.metrics import average_precision_score, roc_auc_score

    def add():
        chunks = []
        for start in range(0, len(scores), BATCH):
            rows = slice(start, start + BATCH)
            chunks.append((scores[rows].copy(), targets[rows].copy()))
        return chunks

    def value(chunks):
        found, wanted = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        if found.ndim == 1:
            return roc_auc_score(wanted, found)
        return average_precision_score(wanted, found)

    return add, value


def contestants():
    yield "tntjax, on the host", tntjax_host
    yield "tntjax, adds compiled", tntjax_compiled
    yield "tntjax, value compiled too", tntjax_in_jit
    if importlib.util.find_spec("torchmetrics"):
        yield "torchmetrics", torchmetrics_class
    if importlib.util.find_spec("sklearn"):
        yield "scikit-learn", scikit_learn


def compare(title, scores, targets, repeats):
    rows = [(name, *make(scores, targets), []) for name, make in contestants()]
    found = [value(add()) for _, add, value, _ in rows]  # and warms up
    np.testing.assert_allclose(found, found[0], atol=2e-6)
    for _ in range(repeats):
        for _, add, value, times in rows:
            begin = time.perf_counter()
            meter = add()
            middle = time.perf_counter()
            value(meter)
            times.append((middle - begin, time.perf_counter() - middle))
    print(f"\n{title:34}{'add ms':>9}{'value ms':>10}{'both':>9}{'ratio':>8}")
    totals = {name: [sum(pair) for pair in times] for name, _, _, times in rows}
    ratios = {}
    for name, _, _, times in rows:
        parts = [1e3 * statistics.median(part) for part in zip(*times, strict=True)]
        pairs = zip(totals[name], totals["tntjax, adds compiled"], strict=True)
        ratios[name] = statistics.median([mine / base for mine, base in pairs])
        both = 1e3 * statistics.median(totals[name])
        print(f"{name:34}{parts[0]:>9.2f}{parts[1]:>10.2f}{both:>9.2f}", end="")
        print(f"{ratios[name]:>8.2f}")
    peers = [ratio for name, ratio in ratios.items() if not name.startswith("tntjax")]
    if peers:
        held = "yes" if min(peers) >= BAR else "NO"
        print(f"the faster peer takes {min(peers):.2f} times as long, {BAR}: {held}")


def rank(repeats):
    rng = np.random.default_rng(0)
    for title, shape in {
        "AUC of 200,000": (200_000,),
        "mAP of 20,000 x 50": (20_000, 50),
    }.items():
        scores = rng.random(shape, np.float32)
        targets = (rng.random(shape) < 0.3 + 0.4 * scores).astype(np.int32)
        compare(title, scores, targets, repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}")
    rank(repeats)


if __name__ == "__main__":
    main()
