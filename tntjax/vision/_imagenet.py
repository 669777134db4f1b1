"""ImageNet: the 1,000 classes of ILSVRC2012, as the files lie."""

from tntjax._check import check_choice
from tntjax._files import as_place
from tntjax._struct import pytree, static
from tntjax.vision._image_files import LabelledImages, check_decode
from tntjax.vision._imagenet_files import SPLITS, find_files, label_files, read_synsets


@pytree
class ImageNet(LabelledImages):
    """The images of ILSVRC2012 in whichever layout they lie.

    1. class folders, `root/train/n01440764/*.JPEG` and `root/val/n01440764/*.JPEG`;
    2. the official tars, `root/ILSVRC2012_img_train.tar`, a tar of 1,000 tars, and
       `root/ILSVRC2012_img_val.tar`, read where they are through a `TarIndex`;
    3. Kaggle's `root/ILSVRC/Data/CLS-LOC/{train,val,test}`.

    Sample `i` is the same image in each, and nothing is left out: the PNG named JPEG,
    the 22 files in CMYK and the grey ones become RGB. EXIF's rotation is not applied.

    The target is the rank of the synset among the sorted ones, 0 for n01440764, and not
    its number in the devkit. Those of validation images that lie in no class folders
    are read from Kaggle's `LOC_val_solution.csv`, or from the devkit,
    `ILSVRC2012_devkit_t12`, unpacked or as `.tar.gz`. The images of "test", in
    `root/test` or `root/ILSVRC2012_img_test_v10102019.tar`, have no `target`.

    Args:
      root: the folder.
      split: "train" (1,281,167 images), "val" (50,000) or "test" (100,000).
      decode: `bytes -> array`.
      cache: a file for the index of a tar, which saves the pass over 138 GB. One file
        for each split.

    Raises:
      FileNotFoundError: if the images or the labels are not there; the text tells what
        to get, where and in which layout. ImageNet is behind an account and terms, so
        nothing is downloaded.
      TypeError: if `decode` is not a function.
      ValueError: if the split is unknown, or labels and images do not belong together.

    Example:
      >>> ImageNet("imagenet", "validation")
      Traceback (most recent call last):
      ValueError: ImageNet needs split 'train', 'val' or 'test', got 'validation'.

    Samples are `{"input": uint8 [H, W, 3], "target": int32 []}`. Of class `k`,
    `wnids[k]` is the synset and `names[k]` its names, from Kaggle's
    `LOC_synset_mapping.txt` or the devkit, else the synset alone. Two classes are
    called crane and two maillot, so no name stands for a class.

    Purpose: the benchmark of image classification.

    Source: https://image-net.org/challenges/LSVRC/2012; O. Russakovsky et al., 2015.
    """

    split: str = static(default="train")
    wnids: tuple[str, ...] = static(init=False)
    names: tuple[tuple[str, ...], ...] = static(init=False)

    def __post_init__(self) -> None:
        check_decode(self)
        check_choice("ImageNet", "split", self.split, SPLITS)
        root = as_place(self.root, "ImageNet: root")
        files = find_files(root, self.split, self.cache)
        synsets = read_synsets(root)
        rows, targets, wnids = label_files(root, self.split, files, synsets)
        names = tuple(synsets.names.get(wnid, (wnid,)) for wnid in wnids)
        vars(self).update(root=root, files=files, rows=rows, targets=targets)
        vars(self).update(wnids=wnids, names=names)

    def __repr__(self) -> str:
        return f"ImageNet({self.root!r}, {self.split!r})"
