"""Makes the files behind `tntjax.vision.mnist_sample` from the real MNIST.

Run: python tools/make_mnist_sample.py FOLDER_WITH_MNIST [--output FOLDER]

The fifth of each ten digits of a split is taken, in order. MNIST's order has meaning
(its test split begins with the cleaner hand of census workers and ends with high school
students), so the first thousand would be easier than the whole; one in ten has the
classes and the writers in the proportions of the whole.

The sample is written as MNIST is: gzipped IDX. xz would save 15 %, but some Pythons
are built without it, and it unpacks five times as slowly. The gzip headers hold no name
and no time, so that the same zlib makes the same bytes. (Another one may pack the same
digits into other bytes.)
"""

import argparse
import gzip
import hashlib
import io
from pathlib import Path

import numpy as np

import tntjax.vision
from tntjax.vision import _mnist_files as files

FIRST, EVERY = 4, 10  # the fifth of each ten
OUTPUT = Path(tntjax.vision.__file__).parent / "data"


def idx(array: np.ndarray) -> bytes:
    """Writes uint8 numbers as IDX: type and rank, big-endian sizes, then the data."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def pack(content: bytes) -> bytes:
    """Gzips as hard as zlib can, with nothing in the header."""
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def main(arguments: list[str] | None = None) -> None:
    """Reads MNIST, makes sure that it is MNIST, and writes one digit in ten."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where MNIST's four files are")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    for split in files.SIZES:
        columns = tntjax.vision.mnist(split, options.folder).data
        for name, key in zip(files.names(split), ("input", "target"), strict=True):
            whole = hashlib.sha256(idx(columns[key])).hexdigest()
            if whole != files.VARIANTS["mnist"].sums[name]:
                raise SystemExit(f"{options.folder}: {name} is not that of MNIST.")
            packed = pack(idx(columns[key][FIRST::EVERY]))
            path = options.output / f"{name}.gz"
            path.write_bytes(packed)
            print(f"{path}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
