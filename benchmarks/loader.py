"""How fast workers decode and crop JPEGs, and how long their consumer waits.

Run: python benchmarks/loader.py [--images 2048] [--turns 5] [--workers 2]

2,048 JPEGs of about 50 kB, made of smooth noise, are decoded, cropped and resized to
224 x 224, flipped and put in batches of 64. All use the same `load`, turn by turn in
one process; peers run with several numbers of workers, of which the best counts.
Printed are median images a second, and the medians of the ratios to the plain loop in
the same turn. That loop shows what one core does. As many of it at once as there are
workers, each in a process that hands nothing over, show what the machine has to give.

Then a load that sleeps for 20 ms a sample, eight workers, and a step that takes longer
than a batch divided by the workers: the consumer should hardly ever wait.
"""

import argparse
import importlib.util
import multiprocessing
import os
import platform
import random
import statistics
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from PIL import Image

import tntjax as tnt

FILES, BATCH, SIDE = 2048, 64, 224
AGAINST_PEERS, OF_ALL_CORES, MOST_WAIT = 1.0, 0.85, 0.05


def write(folder, number):
    """A JPEG of 500 x 375 pixels: noise at two scales."""
    generator = np.random.default_rng(number)
    image = np.zeros((375, 500, 3), np.float32)
    for size, weight in (((16, 12), 0.7), ((125, 94), 0.3)):
        noise = generator.integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
        smooth = Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC)
        image += weight * np.asarray(smooth)
    path = os.path.join(folder, f"{number:04}.jpg")
    Image.fromarray(image.astype(np.uint8)).save(path, quality=88)
    return path


def load(path, seed):
    """Decodes a file; the seed says which part of it, and whether flipped."""
    generator = random.Random(seed)
    with Image.open(path) as image:
        width, height = image.size
        area = width * height * generator.uniform(0.08, 1.0)
        ratio = 2 ** generator.uniform(-0.4, 0.4)
        w = min(width, round((area * ratio) ** 0.5))
        h = min(height, round((area / ratio) ** 0.5))
        x, y = generator.randint(0, width - w), generator.randint(0, height - h)
        box = (x, y, x + w, y + h)
        small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box)
    if generator.random() < 0.5:
        small = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(small)


def load_item(item):
    return load(*item)


def serial(items):
    def run():
        for start in range(0, len(items), BATCH):
            yield np.stack([load(*item) for item in items[start : start + BATCH]])

    return run


def apart(items, workers):
    """The plain loop over a part of the items in each of several processes."""
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, context)
    parts = [items[number::workers] for number in range(workers)]

    def run():
        for count in executor.map(count_images, parts):
            yield range(count)

    return run


def count_images(items):
    return sum(len(batch) for batch in serial(items)())


def tntjax(items, workers, backend):
    dataset = tnt.BatchDataset(tnt.ListDataset(items, load_item), BATCH)
    return tnt.ParallelDatasetIterator(dataset, workers, backend=backend).run


class Mapped:
    """Samples as torch wants them."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return load(*self.items[index])


def torch_loader(items, workers):
    import torch

    torch.set_num_threads(1)
    # It warns of arrays that may not be written to, which it copies into the batch.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
    loader = torch.utils.data.DataLoader(
        Mapped(items), BATCH, num_workers=workers, persistent_workers=True
    )
    return loader.__iter__


def grain_loader(items, threads):
    import grain

    samples = grain.MapDataset.source(items).map(load_item)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * BATCH)
    return samples.to_iter_dataset(options).batch(BATCH).__iter__


def contestants(items, workers):
    """Names, and functions that return one epoch of batches; the plain loop first."""
    yield "plain loop", serial(items)
    yield f"{workers} plain loops", apart(items, workers)
    for backend in ("thread", "process"):
        yield f"tntjax, {workers} x {backend}", tntjax(items, workers, backend)
    if importlib.util.find_spec("torch"):
        for number in range(1, workers + 2):
            yield f"torch DataLoader, {number} x process", torch_loader(items, number)
    if importlib.util.find_spec("grain"):
        for number in (workers, 2 * workers, 8 * workers):
            yield f"grain, {number} x thread", grain_loader(items, number)


def seconds(run):
    start = time.perf_counter()
    images = sum(len(batch) for batch in run())
    return images, time.perf_counter() - start


def throughput(items, turns, workers):
    rows = {name: (run, []) for name, run in contestants(items, workers)}
    for name, (run, _) in rows.items():  # starts workers that stay, and warms up
        count, _ = seconds(run)
        assert count == len(items), f"{name} gave {count} of {len(items)} images"
    for turn in range(turns):
        for name in random.Random(turn).sample(list(rows), len(rows)):
            run, rates = rows[name]
            count, took = seconds(run)
            rates.append(count / took)
    base, found = rows["plain loop"][1], {}
    print(f"\n{f'{len(items)} images, {turns} turns':34}{'images/s':>10}{'ratio':>8}")
    for name, (_, rates) in rows.items():
        found[name] = statistics.median(np.divide(rates, base))
        print(f"{name:34}{statistics.median(rates):>10.1f}{found[name]:>8.2f}")
    compare(rows, found, workers)


def compare(rows, found, workers):
    ours = max((name for name in rows if name.startswith("tntjax")), key=found.get)
    cores = found[ours] / workers
    given = found[f"{workers} plain loops"] / workers
    print(f"\n{ours} is the faster of ours")
    bar(f"{cores:.2f} of {workers} times the plain loop", cores, OF_ALL_CORES)
    print(f"(the machine gave {workers} plain loops {given:.2f} of that)")
    for peer in ("torch", "grain"):
        names = [name for name in rows if name.startswith(peer)]
        if names:
            best = max(names, key=found.get)
            ratio = statistics.median(np.divide(rows[ours][1], rows[best][1]))
            bar(f"{ratio:.2f} times {best}", ratio, AGAINST_PEERS)


def bar(text, value, least):
    print(f"{text}, at least {least}: {'yes' if value >= least else 'NO'}")


def sleep(number):
    time.sleep(0.02)
    return np.full(SIDE, number)


def waits(steps=60, workers=8, batch=8, step=0.03):
    """The share of the time of a step for which a consumer waits for its batch."""
    loading = 0.02 * batch / workers
    print(
        f"\nload {loading * 1000:.0f} ms a batch and worker, step {step * 1000:.0f} ms"
    )
    samples = tnt.ListDataset(range(batch * (steps + 1)), sleep)
    for backend in ("thread", "process"):
        iterator = tnt.ParallelDatasetIterator(
            tnt.BatchDataset(samples, batch), workers, backend=backend
        )
        with iterator:
            iterator.exec("__len__")  # has workers that are up
            run = iterator.run()
            next(run)  # nobody can have read that ahead
            waited = 0.0
            for _ in range(steps):
                time.sleep(step)
                start = time.perf_counter()
                next(run)
                waited += time.perf_counter() - start
        share = waited / (steps * step)
        fine = "yes" if share <= MOST_WAIT else "NO"
        print(
            f"{backend}: waits for {share:.1%} of it, at most {MOST_WAIT:.0%}: {fine}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=FILES, help="in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        items = [(write(folder, number), number) for number in range(FILES)]
        size = sum(os.path.getsize(path) for path, _ in items) / FILES
        print(f"{FILES} JPEGs of {size / 1000:.1f} kB")
        throughput(items[: given.images], given.turns, given.workers)
    waits()


if __name__ == "__main__":
    main()
