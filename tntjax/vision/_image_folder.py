"""ImageFolder: images in folders that are their classes."""

import os
from collections.abc import Sequence

import numpy as np

from tntjax._check import require
from tntjax._files import as_place
from tntjax._struct import pytree, static
from tntjax.vision._image_files import (
    LabelledImages,
    check_decode,
    find_folders,
    label,
    open_files,
)


@pytree
class ImageFolder(LabelledImages):
    """Images in folders of which each is a class: `root/cat/1.jpg`, `root/dog/a/2.png`.

    The files are listed once, sorted by class and name, and read when their turn comes.
    Left out are hidden files and folders, files beside the folders, and those without
    the suffix of an image; what an image is is told by its bytes. No file is held open,
    and a million names pickle like an array.

    Args:
      root: the folder, or a tar of such a tree or of one tar a class (see `TarIndex`).
      classes: the names of the classes in the order of their numbers, such as those of
        the training set; other folders are left out. None for all in order of names.
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

    Samples are `{"input": uint8 [H, W, 3], "target": int32 []}`, of many sizes: use
    `fit_image` before they are put in batches. `targets` are those of all samples.

    Purpose: your own images.
    """

    classes: Sequence[str] = static(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_decode(self)
        classes = self.classes
        if classes is not None:
            listed = isinstance(classes, list | tuple | np.ndarray)
            named = listed and all(isinstance(name, str) for name in classes)
            needs = "ImageFolder needs a list of classes, the names of folders in order"
            require(named, needs, classes, error=TypeError)
            classes = [str(name) for name in classes]
            if len(set(classes)) < len(classes):
                raise ValueError(f"ImageFolder: a class is twice in {classes}.")
        root = as_place(self.root, "ImageFolder: root")
        if not os.path.exists(root):
            raise FileNotFoundError(
                f"ImageFolder: there is no {root}. It should be a folder with a folder"
                f" for each class, such as {root}/cat/1.jpg, or a tar of these."
            )
        files = open_files(root, self.cache)
        found = find_folders(files)
        folders = {folder for folder, _, _ in found}
        wanted = sorted(folders) if classes is None else classes
        rows, targets, classes = label(found, wanted)
        if empty := [name for name in classes if name not in folders]:
            raise ValueError(
                f"ImageFolder: {root} has no images in the folders {empty[:10]}."
            )
        if not classes:
            raise ValueError(
                f"ImageFolder: {root} has no folders with images in them, such as"
                " cat/1.jpg."
            )
        vars(self).update(root=root, files=files, rows=rows)
        vars(self).update(targets=targets, classes=classes)

    def __repr__(self) -> str:
        return f"ImageFolder({self.root!r}, {len(self.classes)} classes)"
