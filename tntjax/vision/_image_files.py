"""Files of images in a folder or in a tar, and the datasets of labelled ones."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tntjax._check import check_function
from tntjax._struct import Opaque, child, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import check_index
from tntjax.vision._decode import decode_image
from tntjax.vision._names import Names
from tntjax.vision._tar_index import TarIndex

SUFFIXES = tuple(".jpg .jpeg .png .webp .bmp .gif .ppm .pgm .tif .tiff".split())


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


def open_files(root: str, cache: str | os.PathLike[str] | None = None) -> Files:
    """Lists the images below a folder, or in a tar and the tars in it."""
    if os.path.isfile(root):
        return TarIndex(root, nested=True, cache=cache)
    return FolderFiles(root, Names.pack(_walk(root, "")))


def _walk(root: str, prefix: str, above: tuple[Path, ...] = ()) -> Iterator[str]:
    here = Path(root, prefix)
    above = (*above, here.resolve())
    with os.scandir(here) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name = prefix + entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            real = os.path.realpath(entry.path) if entry.is_symlink() else ""
            if real and any(folder.is_relative_to(real) for folder in above):
                raise ValueError(f"{root}/{name} is a link to a folder that holds it.")
            yield from _walk(root, f"{name}/", above)
        elif is_image(name):
            yield name


def is_image(name: str) -> bool:
    """True if a name has the suffix of an image and nothing in it is hidden."""
    return name.lower().endswith(SUFFIXES) and "/." not in f"/{name}"


Found = tuple[str, str, int]
"""An image: its class, its name there, and its number among the files."""


class Labelled(NamedTuple):
    """Files in the order of their classes and names."""

    rows: np.ndarray  # int64 [N], their numbers
    targets: np.ndarray | None  # int32 [N], those of their classes
    classes: tuple[str, ...]


def label(found: Iterable[Found], classes: Iterable[str]) -> Labelled:
    """Sorts images by class and name, and leaves out those of other classes."""
    classes = tuple(classes)
    numbers = {name: number for number, name in enumerate(classes)}
    kept = sorted((numbers[c], name, row) for c, name, row in found if c in numbers)
    targets = np.array([number for number, _, _ in kept], np.int32)
    targets.setflags(write=False)
    return Labelled(np.array([row for _, _, row in kept], np.int64), targets, classes)


def list_images(files: Files) -> Iterator[tuple[str, int]]:
    """Yields the names of images that are not hidden, and their numbers."""
    return ((name, row) for row, name in enumerate(files.names) if is_image(name))


def find_folders(files: Files) -> list[Found]:
    """Lists the images in folders or inner tars, which are their classes."""
    names = ((name.partition("/"), row) for name, row in list_images(files))
    return [
        (folder.removesuffix(".tar"), rest, row)
        for (folder, inside, rest), row in names
        if inside
    ]


def check_decode(dataset: Any) -> None:
    """Raises a TypeError if the `decode` of a dataset is not a function."""
    name = type(dataset).__name__
    check_function(dataset.decode, f"{name} needs a function, but decode")


def read_image(dataset: Any, row: int) -> Any:
    """Reads one of the `files` of a dataset by its `decode`."""
    try:
        return dataset.decode(dataset.files.read(row))
    except Exception as error:
        error.add_note(f"While reading {dataset.files.where(row)}.")
        raise


@pytree
class LabelledImages(IndexMap):
    """Reads images of a folder or tar in the order of `rows`, with their targets."""

    root: str | os.PathLike[str] = static()
    decode: Callable[[bytes], Any] = static(default=decode_image, kw_only=True)
    cache: str | os.PathLike[str] | None = static(default=None, kw_only=True)
    files: Files = child(Opaque, init=False)
    rows: np.ndarray = child(Opaque, init=False)
    targets: np.ndarray | None = child(Opaque, init=False)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, index: int) -> str:
        """Names the file of the sample of an index, or the tar and the name in it."""
        return self.files.where(int(self.rows[check_index(self, index)]))

    def _get(self, index: int) -> Sample:
        image = read_image(self, int(self.rows[index]))
        if self.targets is None:
            return {"input": image}
        return {"input": image, "target": self.targets[index]}
