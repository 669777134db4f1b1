"""The synsets of ImageNet: their names, and the devkit's numbers."""

import io
import os
import tarfile
from typing import NamedTuple


class Synsets(NamedTuple):
    """The synsets of the 1,000 classes.

    Args:
      names: of each, by its id "n01440764".
      numbers: the id of each number of the devkit, from 1; empty without a devkit.
      where: the file that they are from.
    """

    names: dict[str, tuple[str, ...]]
    numbers: dict[int, str]
    where: str


def read_synsets(root: str) -> Synsets:
    """Reads Kaggle's list of synsets or else the devkit's, or nothing."""
    path = os.path.join(root, "LOC_synset_mapping.txt")
    names, numbers, where = {}, {}, path
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                wnid, _, words = line.strip().partition(" ")
                if wnid:
                    names[wnid] = tuple(words.split(", "))
    if (meta := read_devkit(root, "meta.mat")) is not None:
        listed, numbers = _read_meta(meta)
        where = path if names else "the devkit's meta.mat"
        names = names or listed
    return Synsets(names, numbers, where)


def _read_meta(content: bytes) -> tuple[dict[str, tuple[str, ...]], dict[int, str]]:
    import scipy.io  # JAX needs it as well; slow to import

    table = scipy.io.loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
    names, numbers = {}, {}
    for row in table:
        if int(row["num_children"]) == 0:  # the others are groups of classes
            wnid = str(row["WNID"])
            names[wnid] = tuple(str(row["words"]).split(", "))
            numbers[int(row["ILSVRC2012_ID"])] = wnid
    return names, numbers


def read_devkit(root: str, name: str) -> bytes | None:
    """Reads a file of the devkit, which may be unpacked; None if it is not there."""
    for folder in ("ILSVRC2012_devkit_t12/data", "data"):
        path = os.path.join(root, folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    path = os.path.join(root, "ILSVRC2012_devkit_t12.tar.gz")
    if os.path.isfile(path):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(f"/{name}"):
                    file = tar.extractfile(member)
                    return None if file is None else file.read()
    return None
