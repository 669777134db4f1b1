"""ImageFolder: images in folders that are their classes."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tntjax._check import check_function
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax._types import Sample
from tntjax.dataset._index_map import IndexMap
from tntjax.dataset._protocol import check_index
from tntjax.dataset._take import take_one_by_one
from tntjax.vision._decode import decode_image
from tntjax.vision._image_files import Files, label_by_folder, open_files, read_image


@pytree
class ImageFolder(IndexMap):
    """Images in folders of which each is a class: `root/cat/1.jpg`, `root/dog/a/2.png`.

    The files are listed once and read when their turn comes. Samples are sorted by
    class and name. Left out are hidden files and folders, files beside the folders, and
    those without the suffix of an image; what an image is is told by its bytes. No file
    is held open, and a million names pickle like an array.

    Args:
      root: the folder, or a tar of such a tree, or of one tar a class, which is read
        through a `TarIndex`.
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
        classes = self.classes
        if classes is not None:
            listed = isinstance(classes, list | tuple | np.ndarray)
            if not listed or not all(isinstance(name, str) for name in classes):
                raise TypeError(
                    "ImageFolder needs a list of classes, the names of folders in"
                    f" their order, got {describe(classes)}."
                )
            classes = [str(name) for name in classes]
            if len(set(classes)) < len(classes):
                raise ValueError(f"ImageFolder: a class is twice in {classes}.")
        root = os.path.abspath(os.path.expanduser(self.root))
        if not os.path.exists(root):
            raise FileNotFoundError(
                f"ImageFolder: there is no {root}. It should be a folder with a folder"
                f" for each class, such as {root}/cat/1.jpg, or a tar of these."
            )
        files = open_files(root, self.cache)
        rows, targets, classes = label_by_folder(files, classes)
        counts = np.bincount(targets, minlength=len(classes))
        empty = [name for name, n in zip(classes, counts, strict=True) if not n]
        if empty or not classes:
            raise ValueError(
                f"ImageFolder: {root} has no images in the folders {empty[:10]}."
                if empty
                else f"ImageFolder: {root} has no folders with images in them, such as"
                " cat/1.jpg."
            )
        made = {"root": root, "files": files, "rows": rows, "targets": targets}
        for name, value in (made | {"classes": classes}).items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        return f"ImageFolder({self.root!r}, {len(self.classes)} classes)"

    def where(self, index: int) -> str:
        """Names the file of the sample of an index, or the tar and the name in it."""
        return self.files.where(int(self.rows[check_index(self, index)]))

    def _get(self, index: int) -> Sample:
        image = read_image(self.files, int(self.rows[index]), self.decode)
        return {"input": image, "target": self.targets[index]}

    def _take(self, rows: Any) -> Sample:
        return take_one_by_one(self, rows, self._read_each)
