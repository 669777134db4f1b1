"""Where the files of ImageNet lie, their synsets, and labels of those in no folder."""

import csv
import io
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tntjax.vision import _image_files as images
from tntjax.vision._archive import read_members
from tntjax.vision._image_files import Files, Labelled
from tntjax.vision._missing import Source, missing

WNID = r"n\d{8}"

SPLITS = ("train", "val", "test")

SOURCE = Source(
    "ImageNet (ILSVRC2012)",
    "with an account at https://image-net.org/challenges/LSVRC/2012:"
    " ILSVRC2012_img_train.tar (138 GB, md5 1d675b47d978889d74fa0da5fadfb00e),"
    " ILSVRC2012_img_val.tar (6 GB, md5 29b22e2961454d5413ddabcf34fc5622),"
    " ILSVRC2012_devkit_t12.tar.gz (md5 fa75699e90414af021442c21a62c3abf)",
    "research only, not to be passed on; nothing is downloaded for you",
    """ILSVRC2012_img_{train,val,test_v10102019}.tar with ILSVRC2012_devkit_t12.tar.gz
{train,val}/nXXXXXXXX/*.JPEG
ILSVRC/Data/CLS-LOC/{train,val,test} with LOC_{synset_mapping.txt,val_solution.csv}""",
)


class Synsets(NamedTuple):
    """The synsets of the 1,000 classes."""

    names: dict[str, tuple[str, ...]]  # of each, by its id "n01440764"
    numbers: dict[int, str]  # the id of each number of the devkit, from 1
    where: str  # the file that they are from


def read_synsets(root: str) -> Synsets:
    """Reads Kaggle's list of synsets or else the devkit's, or nothing."""
    path = os.path.join(root, "LOC_synset_mapping.txt")
    names, numbers, where = {}, {}, path
    if os.path.isfile(path):
        lines = [line.strip().partition(" ") for line in _read_lines(path)]
        names = {wnid: tuple((words or wnid).split(", ")) for wnid, _, words in lines}
    if (meta := _read_devkit(root, "meta.mat")) is not None:
        import scipy.io  # JAX needs it as well; slow to import

        try:
            table = scipy.io.loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
            rows = [row for row in table if int(row["num_children"]) == 0]  # no groups
            listed = {str(r["WNID"]): tuple(str(r["words"]).split(", ")) for r in rows}
            numbers = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
        except Exception as error:  # SciPy has its own
            text = f"ImageNet: the devkit's meta.mat is damaged or another: {error}"
            raise ValueError(text) from error
        if not names:
            names, where = listed, "the devkit's meta.mat"
    return Synsets(names, numbers, where)


def _read_lines(path: str) -> list[str]:
    """Reads the lines of a file that Kaggle has, without those that are empty."""
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"ImageNet: {path} is damaged or no text: {error}") from error
    return [line for line in lines if line.strip()]


def _read_devkit(root: str, name: str) -> bytes | None:
    """Reads a file of the devkit, which may be unpacked; None if it is not there."""
    for folder in ("ILSVRC2012_devkit_t12/data", "data"):
        if (path := Path(root, folder, name)).is_file():
            return path.read_bytes()
    path = os.path.join(root, "ILSVRC2012_devkit_t12.tar.gz")
    return read_members(path, [name]).get(name) if os.path.isfile(path) else None


def find_files(root: str, split: str, cache: str | os.PathLike[str] | None) -> Files:
    """Finds the images of a split in any of the layouts."""
    inside = (split, f"ILSVRC/Data/CLS-LOC/{split}", f"Data/CLS-LOC/{split}")
    folders = [os.path.join(root, name) for name in inside]
    endings = ("test_v10102019", "test") if split == "test" else (split,)
    tars = [os.path.join(root, f"ILSVRC2012_img_{end}.tar") for end in endings]
    found = [*filter(os.path.isdir, folders), *filter(os.path.isfile, tars)]
    for place in found:
        files = images.open_files(place, cache)
        if len(files.names):
            return files
    raise missing(SOURCE, f"the {split} split", [*folders, *tars])


def label_files(root: str, split: str, files: Files, synsets: Synsets) -> Labelled:
    """Numbers the classes of files by the rank of their synsets."""
    known = sorted(synsets.names)
    if split == "test":
        listed = sorted(images.list_images(files))
        rows = np.array([row for _, row in listed], np.int64)
        return Labelled(rows, None, tuple(known))
    found, are = images.find_folders(files), "are folders of images, but"
    used = {folder for folder, _, _ in found if re.fullmatch(WNID, folder)}
    if not used:
        wnids, where = _read_list(root, synsets)
        found, used = _match(files, wnids, where), set(wnids.values())
        are = f"in {where} are"
    known = known or sorted(used)
    if strange := sorted(used - set(known)):
        text = f"ImageNet: {strange[:5]} {are} no synsets of {synsets.where}."
        raise ValueError(text)
    return images.label(found, known)


def _match(files: Files, wnids: dict[str, str], where: str) -> list[images.Found]:
    """Finds the synsets of images that lie in no folders, by a list."""
    rows: dict[str, int] = {}
    for name, row in images.list_images(files):
        stem = os.path.splitext(os.path.basename(name))[0]
        if rows.setdefault(stem, row) != row:
            one, other = files.where(rows[stem]), files.where(row)
            raise ValueError(f"ImageNet: {one} and {other} are for one label.")
    if odd := sorted(set(rows) ^ set(wnids)):
        raise ValueError(
            f"ImageNet: there are {len(rows):,} images and {len(wnids):,} labels in"
            f" {where}, and they do not belong together: {odd[:3]} are in one alone."
        )
    return [(wnids[stem], stem, row) for stem, row in rows.items()]


def _read_list(root: str, synsets: Synsets) -> tuple[dict[str, str], str]:
    """Reads the synset of each validation image, by the name without its suffix."""
    path = os.path.join(root, "LOC_val_solution.csv")
    if os.path.isfile(path):
        found = {}
        for row in list(csv.reader(_read_lines(path)))[1:]:
            # The synset, then boxes of which each has one before it.
            wnid = row[1].split(" ")[0] if len(row) > 1 else ""
            if not re.fullmatch(WNID, wnid) or row[0] in found:
                raise ValueError(
                    f"ImageNet: {path} should have the name of an image and its"
                    f" synset in each line, and each once, but has {row}."
                )
            found[row[0]] = wnid
        return found, path
    truth = _read_devkit(root, "ILSVRC2012_validation_ground_truth.txt")
    if truth is None or not synsets.numbers:
        labels = "the synset of each validation image (the images are there)"
        raise missing(SOURCE, labels, [path, f"{root}/ILSVRC2012_devkit_t12[.tar.gz]"])
    try:
        listed = [synsets.numbers[int(number)] for number in truth.split()]
    except (ValueError, KeyError) as error:
        text = f"ImageNet: the devkit's list of labels is damaged: {error}"
        raise ValueError(text) from error
    names = {f"ILSVRC2012_val_{n:08}": wnid for n, wnid in enumerate(listed, start=1)}
    return names, "the devkit's truth"
