"""ImageFolder: images in folders that are their classes."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tntjax._check import check_function
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax.vision._decode import decode_image
from tntjax.vision._image_files import (
    Files,
    LabelledImages,
    find_folders,
    label,
    open_files,
)
from tntjax.vision._missing import as_place


@pytree
class ImageFolder(LabelledImages):
    """Images in folders of which each is a class: `root/cat/1.jpg`, `root/dog/a/2.png`.

    The files are listed once and read when their turn comes. Samples are sorted by
    class and name. Left out are hidden files and folders, files beside the folders, and
    those without the suffix of an image; what an image is is told by its bytes. No file
    is held open, and a million names pickle like an array.

    Args:
      root: the folder, or a tar of such a tree or of one tar a class (see `TarIndex`).
      classes: the names of the classes in the order of their numbers; folders of other
        names are left out. None for all folders in the order of their names. Pass the
        `classes` of the training set for the validation set.
      decode: `bytes -> array`.
      cache: a file for the index of a tar.

    Raises:
      FileNotFoundError: if there is no such folder or tar.
      TypeError: if `decode` is not a function, or `classes` not a list of names.
      ValueError: if a class has no images or is named twice, there are no classes, or a
        link leads to a folder that it lies in.

    Example:
      >>> import tempfile
      >>> from PIL import Image
      >>> with tempfile.TemporaryDirectory() as root:
      ...     for name in ("cat", "dog"):
      ...         os.mkdir(f"{root}/{name}")
      ...         Image.new("RGB", (6, 4)).save(f"{root}/{name}/1.png")
      ...     dataset = ImageFolder(root)
      ...     dataset.classes, dataset[1]["input"].shape, int(dataset[1]["target"])
      (('cat', 'dog'), (4, 6, 3), 1)

    Samples are `{"input": uint8 [H, W, 3], "target": int32 []}`, of many sizes: resize
    them with `fit_image` in a TransformDataset before they are put in batches.
    `targets` are those of all samples, and `where(index)` names a file.

    Purpose: your own images.
    """

    root: str = static()
    classes: Sequence[str] = static(default=None, kw_only=True)
    decode: Callable[[bytes], Any] = static(default=decode_image, kw_only=True)
    cache: str | None = static(default=None, kw_only=True)
    files: Files = child(Opaque, init=False)
    rows: np.ndarray = child(Opaque, init=False)
    targets: np.ndarray = child(Opaque, init=False)

    def __post_init__(self) -> None:
        check_function(self.decode, "ImageFolder needs a function, but decode")
        classes = self.classes if self.classes is None else _check(self.classes)
        root = as_place(self.root, "ImageFolder: root")
        if not os.path.exists(root):
            raise FileNotFoundError(
                f"ImageFolder: there is no {root}. It should be a folder with a folder"
                f" for each class, such as {root}/cat/1.jpg, or a tar of these."
            )
        files = open_files(root, self.cache)
        found = find_folders(files)
        folders = sorted({folder for folder, _, _ in found})
        rows, targets, classes = label(found, folders if classes is None else classes)
        if empty := [name for name in classes if name not in folders]:
            raise ValueError(
                f"ImageFolder: {root} has no images in the folders {empty[:10]}."
            )
        if not classes:
            raise ValueError(
                f"ImageFolder: {root} has no folders with images in them, such as"
                " cat/1.jpg."
            )
        made = {"files": files, "rows": rows, "targets": targets, "classes": classes}
        vars(self).update(made, root=root)

    def __repr__(self) -> str:
        return f"ImageFolder({self.root!r}, {len(self.classes)} classes)"


def _check(classes: Any) -> list[str]:
    listed = isinstance(classes, list | tuple | np.ndarray)
    if not listed or not all(isinstance(name, str) for name in classes):
        raise TypeError(
            "ImageFolder needs a list of classes, the names of folders in their order,"
            f" got {describe(classes)}."
        )
    classes = [str(name) for name in classes]
    if len(set(classes)) < len(classes):
        raise ValueError(f"ImageFolder: a class is twice in {classes}.")
    return classes
