"""Files of images in a folder or in a tar, and the datasets of labelled ones."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import check_index
from tntjax.vision._names import Names
from tntjax.vision._tar_index import TarIndex

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tif")
SUFFIXES += (".tiff",)


@dataclass(frozen=True, eq=False)
class FolderFiles:
    """The images anywhere below a folder, by their names from there on."""

    root: str
    names: Names

    def read(self, which: int) -> bytes:
        """Reads the content of a file."""
        with open(self.where(which), "rb") as file:
            return file.read()

    def where(self, index: int) -> str:
        """Names a file."""
        return os.path.join(self.root, self.names[index])


Files = FolderFiles | TarIndex


def open_files(root: str, cache: str | None = None) -> Files:
    """Lists the images below a folder, or in a tar and the tars in it."""
    if os.path.isfile(root):
        return TarIndex(root, nested=True, cache=cache)
    return FolderFiles(root, Names.pack(_walk(root, "")))


def _walk(root: str, prefix: str) -> Iterator[str]:
    with os.scandir(os.path.join(root, prefix)) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name = prefix + entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if entry.is_symlink() and _is_inside(os.path.join(root, name)):
                raise ValueError(f"{root}/{name} is a link to a folder that holds it.")
            yield from _walk(root, f"{name}/")
        elif is_image(name):
            yield name


def _is_inside(link: str) -> bool:
    """True if a link leads to a folder that it lies in."""
    target, place = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    return os.path.commonpath([target, place]) == target


def is_image(name: str) -> bool:
    """True if a name has the suffix of an image and is not one of hidden files."""
    last = name.rpartition("/")[2]
    return last.lower().endswith(SUFFIXES) and not last.startswith(".")


def read_image(files: Files, index: int, decode: Callable[[bytes], Any]) -> Any:
    """Reads and decodes a file; an error is told which."""
    try:
        return decode(files.read(index))
    except Exception as error:
        error.add_note(f"While reading {files.where(index)}.")
        raise


class Labelled(NamedTuple):
    """Files in the order of their classes and names."""

    rows: np.ndarray  # int64 [N], their numbers
    targets: np.ndarray | None  # int32 [N], those of their classes
    classes: tuple[str, ...]


def label(found: Iterable[tuple[str, str, int]], classes: Iterable[str]) -> Labelled:
    """Sorts (class, name, number of the file) by class and name; other classes go."""
    classes = tuple(classes)
    numbers = {name: number for number, name in enumerate(classes)}
    kept = sorted((numbers[c], name, row) for c, name, row in found if c in numbers)
    targets = np.array([number for number, _, _ in kept], np.int32)
    targets.setflags(write=False)
    return Labelled(np.array([row for _, _, row in kept], np.int64), targets, classes)


def find_folders(files: Files) -> list[tuple[str, str, int]]:
    """Lists (folder or inner tar, name in it, number) of the images that lie in one."""
    found = []
    for row, name in enumerate(files.names):
        folder, inside, rest = name.partition("/")
        if inside and is_image(rest):
            found.append((folder.removesuffix(".tar"), rest, row))
    return found


class LabelledImages(IndexMap):
    """Reads the images of `files` in the order of `rows`, each with its target."""

    files: Files
    rows: np.ndarray
    targets: np.ndarray | None
    decode: Callable[[bytes], Any]

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, index: int) -> str:
        """Names the file of the sample of an index, or the tar and the name in it."""
        return self.files.where(int(self.rows[check_index(self, index)]))

    def _get(self, index: int) -> Sample:
        image = read_image(self.files, int(self.rows[index]), self.decode)
        if self.targets is None:
            return {"input": image}
        return {"input": image, "target": self.targets[index]}
