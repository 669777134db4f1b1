"""The files of CIFAR: two versions, unpacked or not."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tntjax._check import check_choice, require
from tntjax._numbers import check_integers
from tntjax._struct import describe
from tntjax.vision._archive import read_members
from tntjax.vision._missing import Place, Source, list_roots, missing
from tntjax.vision._unpickle import unpickle_arrays

PIXELS = 3 * 32 * 32

SIZES = {"train": 50_000, "test": 10_000}

Columns = tuple[np.ndarray, np.ndarray]
"""Pixels and labels."""


class Variant(NamedTuple):
    """One of the two data sets, in its python version and its binary one."""

    number: int
    folders: tuple[str, str]
    parts: dict[str, list[str]]  # the files of a split, those of binaries without .bin
    classes: dict[bytes, int]  # by the keys in a pickle, in the order of the binary's
    md5: str

    @property
    def archives(self) -> tuple[str, str]:
        """The names of both versions as they come."""
        return (
            f"cifar-{self.number}-python.tar.gz",
            f"cifar-{self.number}-binary.tar.gz",
        )

    @property
    def source(self) -> Source:
        """Where to get it."""
        names = [*self.parts["train"], *self.parts["test"]]
        layout = [f"{' or '.join(self.archives)}, as they come"]
        for folder, end in zip(self.folders, ("", ".bin"), strict=True):
            layout.append(f"{folder}/{{{','.join(name + end for name in names)}}}")
        return Source(
            f"CIFAR-{self.number}",
            f"https://www.cs.toronto.edu/~kriz/{self.archives[0]} (md5 {self.md5})",
            "none is stated; cite A. Krizhevsky, 2009",
            "\n".join(layout),
        )


CIFAR10 = Variant(
    10,
    ("cifar-10-batches-py", "cifar-10-batches-bin"),
    {"train": [f"data_batch_{n}" for n in range(1, 6)], "test": ["test_batch"]},
    {b"labels": 10},
    "c58f30108f718f92721af3b95e74349a",
)
CIFAR100 = Variant(
    100,
    ("cifar-100-python", "cifar-100-binary"),
    {"train": ["train"], "test": ["test"]},
    {b"coarse_labels": 20, b"fine_labels": 100},
    "eb9058c3a382ffc7106e4002c42a8d85",
)

NAMES = {
    "cifar10": "airplane automobile bird cat deer dog frog horse ship truck",
    "coarse": "aquatic_mammals fish flowers food_containers fruit_and_vegetables"
    " household_electrical_devices household_furniture insects large_carnivores"
    " large_man-made_outdoor_things large_natural_outdoor_scenes"
    " large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people"
    " reptiles small_mammals trees vehicles_1 vehicles_2",
    "fine": "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl"
    " boy bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee"
    " clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish"
    " forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion"
    " lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange"
    " orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine"
    " possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper"
    " snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone"
    " television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf"
    " woman worm",
}


def read(variant: Variant, split: str, data_dir: Place) -> Columns:
    """Reads a split: images [N, 32, 32, 3] and labels [N, labels]."""
    check_choice(f"cifar{variant.number}", "split", split, tuple(SIZES))
    decode, contents = _find_parts(variant, split, data_dir)
    parts = [decode(variant, content, where) for where, content in contents.items()]
    for where, (pixels, labels) in zip(contents, parts, strict=True):
        _check(variant, pixels, labels, where)
    pixels, labels = map(np.concatenate, zip(*parts, strict=True))
    if len(pixels) != SIZES[split]:
        raise ValueError(
            f"{variant.source.title}: the {split} split should have {SIZES[split]:,}"
            f" images, but the files hold {len(pixels):,}."
        )
    # Planes of red, green and blue, [N, 3 * 32 * 32], become [N, 32, 32, 3].
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def _find_parts(
    variant: Variant, split: str, data_dir: Place
) -> tuple[Callable[[Variant, bytes, str], Columns], dict[str, bytes]]:
    """Returns the decoder of the files that make a split, and what is in them."""
    name = f"cifar{variant.number}"
    roots = [place for r in list_roots(data_dir, name) for place in (r, r / name)]
    for root in roots:
        for version, decode in enumerate((_decode_pickle, _decode_binary)):
            names = [name + (".bin" * version) for name in variant.parts[split]]
            for folder in (root / variant.folders[version], root):
                paths = [folder / name for name in names]
                if all(map(os.path.isfile, paths)):
                    return decode, {str(path): path.read_bytes() for path in paths}
            archive = root / variant.archives[version]
            if os.path.isfile(archive):
                found = read_members(archive, names)
                if lacking := sorted(set(names) - set(found)):
                    raise ValueError(f"{archive} lacks {lacking}.")
                return decode, {f"{archive}: {name}": found[name] for name in names}
    raise missing(variant.source, f"the {split} split", roots)


def _decode_pickle(variant: Variant, content: bytes, where: str) -> Columns:
    batch: Any = unpickle_arrays(content, where)
    wanted = {b"data", *variant.classes}
    if not isinstance(batch, Mapping) or not wanted <= set(batch):
        raise ValueError(
            f"{where} should hold a dict with {sorted(wanted)}, but holds"
            f" {describe(batch)}. Is it the file of another data set?"
        )
    try:
        columns = [
            check_integers(batch[key], "Expected integers") for key in variant.classes
        ]
        labels = np.stack(columns, 1).astype(np.int64)
        require(labels.ndim == 2, "Expected one for each image", columns[0])
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} holds labels that are no numbers: {error}") from None
    return np.asarray(batch[b"data"]), labels


def _decode_binary(variant: Variant, content: bytes, where: str) -> Columns:
    first = len(variant.classes)  # the labels' bytes come first, coarse then fine
    if not content or len(content) % (first + PIXELS):
        raise ValueError(
            f"{where} should hold rows of {first + PIXELS} bytes, but has"
            f" {len(content):,}: truncated, or the file of another data set."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, first + PIXELS)
    return rows[:, first:], rows[:, :first]


def _check(
    variant: Variant, pixels: np.ndarray, labels: np.ndarray, where: str
) -> None:
    expected = (len(labels), PIXELS)
    if pixels.dtype != np.uint8 or pixels.shape != expected:
        raise ValueError(
            f"{where} should hold uint8[{len(labels)},{PIXELS}] for its {len(labels)}"
            f" labels, but holds {describe(pixels)}."
        )
    for (key, classes), column in zip(variant.classes.items(), labels.T, strict=True):
        low, high = column.min(initial=0), column.max(initial=0)
        if low < 0 or high >= classes:
            raise ValueError(
                f"{where} should have {key.decode()} from 0 to {classes - 1}, but has"
                f" {column.min()} to {column.max()}."
            )
