"""How fast images are read from a tar of tars and from folders.

Run: python benchmarks/image_files.py [--images 20000] [--loaded 4000] [--turns 5]

JPEGs of about 15 kB, parts of two photos of scikit-learn, are written into folders of
100 classes and into a tar of 100 tars, as ImageNet has them. Timed are:

1. one pass over the tar for its index, and its index read from a cache;
2. the bytes of files in a random order, through the index and as extracted files, turn
   by turn in one process; both lie in the page cache;
3. an epoch of ImageFolder in batches of 64, decoded and fitted to 160 x 160: a
   ParallelDatasetIterator and torch's DataLoader, each with several numbers of workers,
   of which its best counts. Both call the same decode_image and fit_image.
"""

import argparse
import importlib.resources
import importlib.util
import io
import os
import platform
import random
import statistics
import tarfile
import tempfile
import time
import warnings

import numpy as np
from PIL import Image

import tntjax as tnt

CLASSES, BATCH, SIDE = 100, 64, 160
AS_FILES, AS_TORCH = 0.9, 1.0


def write(root, images):
    """Writes the images into `root/train/CLASS/` and into `root/train.tar`."""
    folder = importlib.resources.files("sklearn.datasets") / "images"
    photos = []
    for name in ("china.jpg", "flower.jpg"):
        with Image.open(io.BytesIO((folder / name).read_bytes())) as photo:
            photos.append(np.asarray(photo))
    draw = random.Random(0)
    with tarfile.open(f"{root}/train.tar", "w") as tar:
        for number in range(CLASSES):
            name = f"n{number:08}"
            os.makedirs(f"{root}/train/{name}")
            with tarfile.open(f"{root}/{name}.tar", "w") as inner:
                for image in range(number, images, CLASSES):
                    height, width = draw.randint(150, 260), draw.randint(150, 260)
                    top, left = draw.randint(0, 160), draw.randint(0, 370)
                    photo = photos[image % 2][top : top + height, left : left + width]
                    path = f"{root}/train/{name}/{name}_{image}.JPEG"
                    Image.fromarray(photo).save(path, "jpeg", quality=88)
                    inner.add(path, os.path.basename(path))
            tar.add(f"{root}/{name}.tar", f"{name}.tar")
            os.unlink(f"{root}/{name}.tar")


def time_index(root):
    start = time.perf_counter()
    index = tnt.vision.TarIndex(f"{root}/train.tar", nested=True)
    scanned = time.perf_counter() - start
    cache = f"{root}/train.npz"
    tnt.vision.TarIndex(f"{root}/train.tar", nested=True, cache=cache)
    start = time.perf_counter()
    tnt.vision.TarIndex(f"{root}/train.tar", nested=True, cache=cache)
    cached = time.perf_counter() - start
    print(
        f"index of {len(index)} files: {scanned:.2f} s in one pass,"
        f" {cached * 1000:.1f} ms from a cache"
    )
    return index


def read_files(paths):
    for path in paths:
        with open(path, "rb") as file:
            file.read()


def read_members(index, rows):
    for row in rows:
        index.read(row)


def time_reads(root, index, turns):
    names = [name.replace(".tar/", "/") for name in index.names]
    ratios, rates = [], {"tar": [], "files": []}
    for turn in range(-1, turns):
        draw = random.Random(turn)
        rows = draw.sample(range(len(index)), len(index))
        paths = [f"{root}/train/{names[row]}" for row in rows]
        calls = [
            ("tar", lambda rows=rows: read_members(index, rows)),
            ("files", lambda paths=paths: read_files(paths)),
        ]
        took = {}
        for name, call in draw.sample(calls, 2):
            start = time.perf_counter()
            call()
            took[name] = time.perf_counter() - start
        if turn >= 0:  # the first fills the page cache
            ratios.append(took["files"] / took["tar"])
            for name, seconds in took.items():
                rates[name].append(len(index) / seconds)
    for name, found in rates.items():
        print(f"random reads, {name:6} {statistics.median(found):>10,.0f} a second")
    ratio = statistics.median(ratios)
    bar(f"{ratio:.2f} times the extracted files", ratio, AS_FILES)


def fit(image):
    return tnt.vision.fit_image(image, SIDE)


def make_batches(root, images):
    folder = tnt.vision.ImageFolder(f"{root}/train")
    fitted = tnt.TransformDataset(folder, fit, key="input")
    some = tnt.ShuffleDataset(fitted, seed=0, size=images)
    return tnt.BatchDataset(some, BATCH)


class Mapped:
    """The same samples as torch wants them, read with the same functions."""

    def __init__(self, root, images):
        folder = tnt.vision.ImageFolder(f"{root}/train")
        order = tnt.ShuffleDataset(range(len(folder)), seed=0, size=images)
        self.paths = [folder.where(int(row)) for row in order]
        self.targets = [int(folder.targets[int(row)]) for row in order]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with open(self.paths[index], "rb") as file:
            image = tnt.vision.decode_image(file.read())
        return {"input": fit(image), "target": self.targets[index]}


def torch_loader(root, images, workers):
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    return torch.utils.data.DataLoader(
        Mapped(root, images), BATCH, num_workers=workers, persistent_workers=True
    ).__iter__


def contestants(root, images, workers):
    batches = make_batches(root, images)
    for number in (workers, workers + 1):
        for backend in ("thread", "process"):
            iterator = tnt.ParallelDatasetIterator(batches, number, backend=backend)
            yield f"tntjax, {number} x {backend}", iterator.run
    if importlib.util.find_spec("torch"):
        for number in (workers, workers + 1):
            name = f"torch DataLoader, {number} x process"
            yield name, torch_loader(root, images, number)


def seconds(run):
    start = time.perf_counter()
    images = sum(len(batch["target"]) for batch in run())
    return images, time.perf_counter() - start


def time_epochs(root, images, turns, workers):
    rows = {name: (run, []) for name, run in contestants(root, images, workers)}
    for name, (run, _) in rows.items():  # starts workers that stay
        count, _ = seconds(run)
        assert count == images, f"{name} gave {count} of {images} images"
    for turn in range(turns):
        for name in random.Random(turn).sample(list(rows), len(rows)):
            run, rates = rows[name]
            count, took = seconds(run)
            rates.append(count / took)
    print(f"\n{f'{images} images, {turns} turns':34}{'images/s':>10}")
    for name, (_, rates) in rows.items():
        print(f"{name:34}{statistics.median(rates):>10.1f}")
    best = {
        peer: max(
            (name for name in rows if name.startswith(peer)),
            key=lambda name: statistics.median(rows[name][1]),
            default=None,
        )
        for peer in ("tntjax", "torch")
    }
    if best["torch"]:
        ours, theirs = (np.array(rows[name][1]) for name in best.values())
        ratio = statistics.median(ours / theirs)
        bar(f"{best['tntjax']}: {ratio:.2f} times {best['torch']}", ratio, AS_TORCH)


def bar(text, value, least):
    print(f"{text}, at least {least}: {'yes' if value >= least else 'NO'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000, help="in the tar")
    parser.add_argument("--loaded", type=int, default=4_000, help="in an epoch")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as root:
        write(root, given.images)
        size = os.path.getsize(f"{root}/train.tar")
        print(f"{given.images} JPEGs in a tar of {size / 1e6:.0f} MB")
        index = time_index(root)
        time_reads(root, index, given.turns)
        loaded = min(given.loaded, given.images)
        time_epochs(root, loaded, given.turns, given.workers)


if __name__ == "__main__":
    main()
