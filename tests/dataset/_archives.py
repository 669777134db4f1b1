"""Archives in folders of tests."""

from pathlib import Path

import numpy as np

from tntjax.dataset import IndexedDatasetWriter


def names_in(folder, name="x"):
    return str(folder / f"{name}.idx"), str(folder / f"{name}.bin")


def write(folder, kind, items, name="x"):
    names = names_in(folder, name)
    with IndexedDatasetWriter(*names, kind) as writer:
        for item in items:
            writer.add(item)
    return names


def contents(names):
    return [Path(name).read_bytes() for name in names]


def put(names, index, data):
    for name, content in zip(names, (index, data), strict=True):
        with open(name, "wb") as file:
            file.write(content)


def numbered(number):
    """An item that tells its number, of up to 40 kB now and then."""
    length = number % 7 if number % 50 else 10_000
    return np.full((length, 1), number, np.int32)
