"""The files of CIFAR: two versions, unpacked or not."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tntjax._numbers import check_integers
from tntjax._struct import describe
from tntjax.vision._archive import read_members
from tntjax.vision._array_set import check_split
from tntjax.vision._missing import Place, Source, list_roots, missing
from tntjax.vision._unpickle import unpickle_arrays

PIXELS = 3 * 32 * 32

SIZES = {"train": 50_000, "test": 10_000}


class Variant(NamedTuple):
    """One of the two data sets, in its python version and its binary one."""

    name: str  # of the function, and of our folder
    folders: tuple[str, str]
    archives: tuple[str, str]
    parts: dict[str, list[str]]  # the files of a split, those of binaries without .bin
    classes: dict[
        bytes, int
    ]  # by the key in a pickle, in the order of a binary's bytes
    source: Source


def _make_variant(
    number: int,
    folders: tuple[str, str],
    parts: dict[str, list[str]],
    classes: dict[bytes, int],
    md5: str,
) -> Variant:
    archives = tuple(f"cifar-{number}-{v}.tar.gz" for v in ("python", "binary"))
    names = [*parts["train"], *parts["test"]]
    source = Source(
        f"CIFAR-{number}",
        f"https://www.cs.toronto.edu/~kriz/{archives[0]} (md5 {md5})",
        "none is stated; cite A. Krizhevsky, 2009",
        f"{' or '.join(archives)}, as they come\n{folders[0]}/{{{','.join(names)}}}\n"
        f"{folders[1]}/{{{','.join(f'{name}.bin' for name in names)}}}",
    )
    return Variant(f"cifar{number}", folders, archives, parts, classes, source)


CIFAR10 = _make_variant(
    10,
    ("cifar-10-batches-py", "cifar-10-batches-bin"),
    {"train": [f"data_batch_{n}" for n in range(1, 6)], "test": ["test_batch"]},
    {b"labels": 10},
    "c58f30108f718f92721af3b95e74349a",
)
CIFAR100 = _make_variant(
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


def read(
    variant: Variant, split: str, data_dir: Place
) -> tuple[np.ndarray, np.ndarray]:
    """Reads a split: images [N, 32, 32, 3] and labels [N, labels]."""
    check_split(variant.name, split)
    decode, contents = _find_parts(variant, split, data_dir)
    parts = [decode(variant, content, where) for where, content in contents.items()]
    rows, labels = zip(*parts, strict=True)
    pixels = np.concatenate(rows)  # [N, 3 * 32 * 32], planes of red, green and blue
    if len(pixels) != SIZES[split]:
        raise ValueError(
            f"{variant.source.title}: the {split} split should have {SIZES[split]:,}"
            f" images, but the files hold {len(pixels):,}."
        )
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.concatenate(labels)


def _find_parts(
    variant: Variant, split: str, data_dir: Place
) -> tuple[Callable[..., tuple[np.ndarray, np.ndarray]], dict[str, bytes]]:
    """Returns the decoder of the files that make a split, and what is in them."""
    roots = list_roots(data_dir, variant.name)
    roots = [place for root in roots for place in (root, root / variant.name)]
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


def _decode_pickle(
    variant: Variant, content: bytes, where: str
) -> tuple[np.ndarray, np.ndarray]:
    batch: Any = unpickle_arrays(content, where)
    wanted = {b"data", *variant.classes}
    if not isinstance(batch, Mapping) or not wanted <= set(batch):
        raise ValueError(
            f"{where} should hold a dict with {sorted(wanted)}, but holds"
            f" {describe(batch)}. Is it the file of another data set?"
        )
    try:
        columns = [check_integers(batch[key], "Labels") for key in variant.classes]
        labels = np.stack(columns, 1).astype(np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} holds labels that are no numbers: {error}") from None
    return _check(variant, np.asarray(batch[b"data"]), labels, where)


def _decode_binary(
    variant: Variant, content: bytes, where: str
) -> tuple[np.ndarray, np.ndarray]:
    first = len(variant.classes)  # the labels' bytes come first, coarse then fine
    if not content or len(content) % (first + PIXELS):
        raise ValueError(
            f"{where} should hold rows of {first + PIXELS} bytes, but has"
            f" {len(content):,}: truncated, or the file of another data set."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, first + PIXELS)
    return _check(variant, rows[:, first:], rows[:, :first], where)


def _check(
    variant: Variant, pixels: np.ndarray, labels: np.ndarray, where: str
) -> tuple[np.ndarray, np.ndarray]:
    expected = (len(labels), PIXELS)
    if pixels.dtype != np.uint8 or pixels.shape != expected or labels.ndim != 2:
        raise ValueError(
            f"{where} should hold uint8[{len(labels)},{PIXELS}] for its {len(labels)}"
            f" labels, but holds {describe(pixels)}."
        )
    if not len(labels):
        raise ValueError(f"{where} holds no images.")
    for (key, classes), column in zip(variant.classes.items(), labels.T, strict=True):
        if column.min() < 0 or column.max() >= classes:
            raise ValueError(
                f"{where} should have {key.decode()} from 0 to {classes - 1}, but has"
                f" {column.min()} to {column.max()}."
            )
    return pixels, labels
