"""The files of MNIST and Fashion-MNIST: names, sums, places, mirrors."""

import hashlib
import math
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import NamedTuple

import numpy as np

from tntjax.vision._download import fetch
from tntjax.vision._idx import unpack
from tntjax.vision._missing import Place, Source, list_roots, missing

KINDS = ("images", "labels")

SIZES = {"train": 60_000, "test": 10_000}

SYSTEM = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))
"""Where Debian's `dataset-...` packages put theirs."""


class Variant(NamedTuple):
    """One data set in MNIST's files, which have the same names in each."""

    source: Source
    folder: str  # ours and Debian's
    torchvision: str  # the folder that torchvision makes
    archive: str | None  # the one file that Keras makes
    mirrors: tuple[str, ...]
    sums: dict[str, str]  # sha256 of the unpacked files: gzip stores names and times


LAYOUT = "{train,t10k}-{images-idx3,labels-idx1}-ubyte, also .gz, or .idx for -idx"


def names(split: str) -> tuple[str, str]:
    """Returns the upstream names of a split's images and labels."""
    prefix = {"train": "train", "test": "t10k"}[split]
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def _name_sums(*sums: str) -> dict[str, str]:
    return dict(zip((*names("train"), *names("test")), sums, strict=True))


VARIANTS = {
    "mnist": Variant(
        source=Source(
            "MNIST",
            "the files below, into a folder 'mnist' of data_dir or of $TNTJAX_DATA;"
            " tnt.vision.mnist_sample has a tenth, with no network",
            "none is stated; cite Y. LeCun et al., 1998",
            f"{LAYOUT}\nmnist.npz, as Keras has it",
        ),
        folder="mnist",
        torchvision="MNIST/raw",
        archive="mnist.npz",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        sums=_name_sums(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion": Variant(
        source=Source(
            "Fashion-MNIST",
            "the files below, into a folder 'fashion-mnist' of data_dir or of"
            " $TNTJAX_DATA; Debian has them as dataset-fashion-mnist",
            "MIT",
            LAYOUT,
        ),
        folder="fashion-mnist",
        torchvision="FashionMNIST/raw",
        archive=None,
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        sums=_name_sums(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def shape(split: str, kind: str) -> tuple[int, ...]:
    """Returns the shape of a split's images or labels."""
    return (SIZES[split], 28, 28) if kind == "images" else (SIZES[split],)


def find(folder: Path, name: str) -> Path | None:
    """Finds a file in a folder under any spelling of its name, plain ones first."""
    dotted = name.replace("-idx", ".idx")
    # The last two: some unpackers make a folder and name it after the archive.
    inside = (f"{name}/{name}", f"{name}/{dotted}")
    for spelling in (name, dotted, f"{name}.gz", f"{dotted}.gz", *inside):
        if os.path.isfile(folder / spelling):  # False too for what we may not see
            return folder / spelling
    return None


def folders(variant: Variant, data_dir: Place) -> list[Path]:
    """Returns the folders to look in, in order. In a root, the variant's own first."""
    *data, cache = list_roots(None, "mnist")
    inside = variant.folder, variant.torchvision
    given = [] if data_dir is None else list_roots(data_dir, "mnist")
    found = [root / name for root in given for name in (*inside, "")]
    found += [root / name for root in data for name in inside]
    return found + [root / variant.folder for root in (cache, *SYSTEM)]


def locate(variant: Variant, split: str, data_dir: Place) -> tuple[Path, ...]:
    """Finds a split: images and labels of one folder, or an archive, or nothing."""
    for folder in folders(variant, data_dir):
        pair = [find(folder, name) for name in names(split)]
        if pair[0] and pair[1]:
            return pair[0], pair[1]
        if variant.archive and os.path.isfile(folder / variant.archive):
            return (folder / variant.archive,)
    return ()


def download(variant: Variant, split: str, data_dir: Place) -> tuple[Path, ...]:
    """Downloads a split into `data_dir` or the user's cache, in a folder of its own."""
    root = list_roots(data_dir, "mnist")[-1]
    # Never a folder that both variants would share.
    target = root if root.name == variant.folder else root / variant.folder
    paths = []
    for kind, name in zip(KINDS, names(split), strict=True):
        sizes = shape(split, kind)
        size = 4 + 4 * len(sizes) + math.prod(sizes)
        verify = partial(check_sum, variant.sums[name], size)
        path = find(target, name)
        if path is None:
            limit = size + 1024  # what cannot be packed grows by a gzip header
            try:
                path = fetch(f"{name}.gz", variant.mirrors, target, verify, limit)
            except FileNotFoundError as error:
                looked = _list_folders(variant, split, data_dir)
                raise FileNotFoundError(
                    f"{missing(variant.source, f'the {split} split', looked)}\n"
                    f"Tried to download {name}.gz to {target} from\n"
                    f"{indent(str(error), '  ')}"
                ) from None
        else:  # from a download that got no further, or is it a file of the user's?
            try:
                verify(path.read_bytes())
            except ValueError as error:
                raise ValueError(
                    f"{path} has no partner in its folder, and is not the upstream file"
                    f" that a downloaded one would belong to: {error}"
                ) from error
        paths.append(path)
    return tuple(paths)


def owner(labels: np.ndarray) -> Variant | None:
    """Returns the variant that these labels are known to be of, None for any other."""
    header = b"\0\0\x08\x01" + len(labels).to_bytes(4, "big")
    found = hashlib.sha256(header + labels.astype(np.uint8).tobytes()).hexdigest()
    known = [v for v in VARIANTS.values() if found in v.sums.values()]
    return known[0] if known else None


def check_sum(expected: str, size: int, content: bytes) -> None:
    """Raises a ValueError unless a file, unpacked if it is gzipped, has a sha256."""
    # No more than it takes to see that there is too much.
    payload = unpack(content, "it", size + 1)
    found = hashlib.sha256(payload).hexdigest()
    if found != expected:
        raise ValueError(
            f"wrong content, it begins with {payload[:16]!r}; unpacked sha256 {found},"
            f" expected {expected}"
        )


def _list_folders(variant: Variant, split: str, data_dir: Place) -> Iterator[str]:
    for folder in folders(variant, data_dir):
        found = [path.name for name in names(split) if (path := find(folder, name))]
        yield f"{folder} (has only {found[0]})" if found else f"{folder}"
