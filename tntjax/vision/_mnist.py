"""MNIST and Fashion-MNIST: 28 by 28 grey images of ten classes."""

import importlib.resources
import os
import zipfile
from pathlib import Path

import numpy as np

from tntjax._check import check_choice
from tntjax._struct import describe
from tntjax.dataset import TableDataset
from tntjax.vision import _mnist_files as files
from tntjax.vision._archive import DAMAGED
from tntjax.vision._array_set import make_table
from tntjax.vision._idx import parse_idx, read_idx


def mnist(
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    variant: str = "mnist",
) -> TableDataset:
    """Loads MNIST or Fashion-MNIST, and downloads it where it is not there yet.

    With `<name>` for `mnist` or `fashion-mnist`, it looks in these folders and takes
    the first that has the images and the labels:

    1. `data_dir/<name>`, torchvision's `data_dir/MNIST/raw` or
       `data_dir/FashionMNIST/raw`, and `data_dir` itself;
    2. `$TNTJAX_DATA/<name>` and torchvision's folder beside it;
    3. the user's cache, `$XDG_CACHE_HOME/tntjax/<name>` or `~/.cache/tntjax/<name>`;
    4. Debian's `/usr/share/datasets/<name>`, then the same under `/usr/local`.

    The files are plain or gzipped IDX, `train-images-idx3-ubyte` or the dotted
    `train-images.idx3-ubyte`, or Keras' `mnist.npz`. A download is compared with the
    sha256 of the upstream files, a file that was there with its form only (type, shape,
    the range of its labels), so that your own data in MNIST's form load.

    Args:
      split: "train" (60,000 images) or "test" (10,000).
      data_dir: a folder to look in first; a download goes to `data_dir/<name>`, or
        else into the cache.
      variant: "mnist" for digits, "fashion" for Fashion-MNIST.

    Returns:
      `{"input": uint8 [28, 28], "target": int32 []}`, in read-only columns.

    Raises:
      ValueError: if `split` or `variant` is unknown, or a file that was found is
        truncated, damaged, swapped with another or foreign; the text names it.
      FileNotFoundError: if the files are nowhere and no mirror had them; the text says
        where it looked, why each mirror failed and what to do.

    Example:
      >>> mnist("validation")
      Traceback (most recent call last):
      ValueError: mnist needs split 'train' or 'test', got 'validation'.

    Purpose: the first experiment.

    Torchnet: its MNIST example took the tensors of the `mnist` rock, as doubles. Here
    the images stay uint8: make floats on the device, and targets count from 0.
    """
    check_choice("mnist", "split", split, tuple(files.SIZES))
    check_choice("mnist", "variant", variant, tuple(files.VARIANTS))
    chosen = files.VARIANTS[variant]
    paths = files.locate(chosen, split, data_dir)
    paths = paths or files.download(chosen, split, data_dir)
    if len(paths) == 1:
        columns = _read_archive(paths[0], split)
    else:
        columns = [(str(path), read_idx(path)) for path in paths]
    for (where, array), kind in zip(columns, files.KINDS, strict=True):
        _check_shape(where, array, split, kind)
    (_, images), (where, labels) = columns
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > 9:
        raise ValueError(f"{where} should hold labels 0 to 9, but has {low} to {high}.")
    if (known := files.owner(labels)) not in (None, chosen):
        title = chosen.source.title
        raise ValueError(
            f"{where} holds the labels of {known.source.title}, not of {title}; their"
            f" files have the same names. Ask for the other variant or pass the folder"
            f" that holds {title} as data_dir."
        )
    return make_table(images, target=labels)


def mnist_sample(split: str) -> TableDataset:
    """Loads a tenth of MNIST that is part of the package: real digits, no network.

    It is the fifth of each ten digits, in MNIST's order, so each class and each of the
    sources that MNIST was mixed from has the share it has in the whole.

    Args:
      split: "train" (6,000 images) or "test" (1,000).

    Returns:
      Samples as `mnist`.

    Raises:
      ValueError: if `split` is unknown.

    Example:
      >>> dataset = mnist_sample("test")
      >>> len(dataset), dataset[0]["input"].shape, dataset.data["target"][:5].tolist()
      (1000, (28, 28), [4, 1, 4, 7, 3])

    Purpose: tests, and a first look at the library on a machine with no network.

    Torchnet: has nothing like it. The digits are from http://yann.lecun.com/exdb/mnist;
    `tools/make_mnist_sample.py` makes the files.
    """
    check_choice("mnist_sample", "split", split, tuple(files.SIZES))
    folder = importlib.resources.files("tntjax.vision") / "data"
    names = [f"{name}.gz" for name in files.names(split)]
    images, labels = (parse_idx((folder / n).read_bytes(), n) for n in names)
    return make_table(images, target=labels)


def _read_archive(path: Path, split: str) -> list[tuple[str, np.ndarray]]:
    """Reads the images and labels of a split from Keras' archive."""
    try:
        if not zipfile.is_zipfile(path):  # else NumPy would take it for a pickle
            raise ValueError("it is no zip file")
        with np.load(path, allow_pickle=False) as archive:
            names = (f"x_{split}", f"y_{split}")
            return [(f"{path} ({name})", archive[name]) for name in names]
    except (KeyError, *DAMAGED) as error:
        raise ValueError(
            f"{path} is damaged or is not Keras' archive of MNIST: {error}"
        ) from error


def _check_shape(where: str, array: np.ndarray, split: str, kind: str) -> None:
    """Raises unless the array has the form of a split's images or labels."""
    expected = files.shape(split, kind)
    whole = array.dtype == np.uint8 or (kind == "labels" and array.dtype.kind in "iu")
    if whole and array.shape == expected:
        return
    forms = {files.shape(s, k): f"{s} {k}" for s in files.SIZES for k in files.KINDS}
    del forms[expected]
    advice = "Is it the file of another data set?"
    if array.shape in forms:
        advice = f"That is the form of {forms[array.shape]}: are files swapped?"
    raise ValueError(
        f"{where} should hold the {split} {kind}, uint8{list(expected)}, but holds"
        f" {describe(array)}. {advice}"
    )
