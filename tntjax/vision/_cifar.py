"""CIFAR-10 and CIFAR-100: 32 by 32 colour images of ten and of a hundred classes."""

import os

from tntjax._check import check_choice
from tntjax.dataset import TableDataset
from tntjax.vision import _cifar_files as files
from tntjax.vision._array_set import make_table

LABELS = ("fine", "coarse", "both")


def cifar10(split: str, data_dir: str | os.PathLike[str] | None = None) -> TableDataset:
    """Loads CIFAR-10 from the official files, which it does not download.

    They are `cifar-10-batches-py`, or `-bin` of the binary version, or as they came,
    `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz`. Pickles can call nothing but
    what NumPy's arrays are made of.

    Args:
      split: "train" (50,000 images) or "test" (10,000).
      data_dir: the folder that holds one of these, or is one, or holds a `cifar10`
        that does. None for `$TNTJAX_DATA` and the user's cache.

    Returns:
      `{"input": uint8 [32, 32, 3], "target": int32 []}`, in read-only columns.
      `cifar_classes` names the targets.

    Raises:
      ValueError: if `split` is unknown, or a file is not as it should be.
      FileNotFoundError: if there are no such files; the text tells where to get them.

    Example:
      >>> cifar10("validation")
      Traceback (most recent call last):
      ValueError: cifar10 needs split 'train' or 'test', got 'validation'.

    Purpose: the first experiment in colour.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html; A. Krizhevsky, 2009. Some test
    images resemble training images closely (the ciFAIR data set replaces them).
    """
    images, labels = files.read(files.CIFAR10, split, data_dir)
    return make_table(images, target=labels[:, 0])


def cifar100(
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    labels: str = "fine",
) -> TableDataset:
    """Loads CIFAR-100 as `cifar10` does CIFAR-10: `cifar-100-python`, `cifar100`, ...

    Args:
      split: "train" (50,000 images) or "test" (10,000).
      data_dir: as with `cifar10`.
      labels: what the target is: "fine" for 100 classes, "coarse" for their 20 groups,
        "both" for the classes, with the groups beside them.

    Returns:
      Samples as `cifar10`, with "both" also `"coarse": int32 []`.

    Raises:
      ValueError, FileNotFoundError: as `cifar10`; also if `labels` is unknown.

    Example:
      >>> cifar100("train", labels="all")
      Traceback (most recent call last):
      ValueError: cifar100 needs labels 'fine', 'coarse' or 'both', got 'all'.

    Purpose: few images of many classes.
    """
    check_choice("cifar100", "labels", labels, LABELS)
    images, both = files.read(files.CIFAR100, split, data_dir)
    coarse, fine = both[:, 0], both[:, 1]
    if labels == "both":
        return make_table(images, target=fine, coarse=coarse)
    return make_table(images, target=coarse if labels == "coarse" else fine)


def cifar_classes(labels: str) -> tuple[str, ...]:
    """Names the classes of CIFAR in the order of their numbers.

    Args:
      labels: "cifar10", or "fine" or "coarse" for those of CIFAR-100.

    Returns:
      10, 100 or 20 names, as in the official metadata.

    Raises:
      ValueError: if `labels` is something else.

    Example:
      >>> cifar_classes("cifar10")[3], cifar_classes("coarse")[0]
      ('cat', 'aquatic_mammals')
    """
    check_choice("cifar_classes", "labels", labels, tuple(files.NAMES))
    return tuple(files.NAMES[labels].split())
