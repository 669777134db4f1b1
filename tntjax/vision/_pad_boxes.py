"""pad_boxes: as many boxes in each sample."""

import numpy as np

from tntjax._numbers import check_at_least
from tntjax._struct import describe
from tntjax._types import Sample

FIELDS = ("target", "boxes", "area", "iscrowd", "category_id", "masks")


def pad_boxes(sample: Sample, max_boxes: int) -> Sample:
    """Fills what a sample has for each object up to a fixed number, for batches.

    Args:
      sample: of CocoDetection or in its form: `boxes` [n, 4], and beside it any of
        `target`, `area`, `iscrowd`, `category_id` and `masks`, arrays [n, ...].
      max_boxes: how many rows each of them shall have.

    Returns:
      The sample with these fields [max_boxes, ...], of zeros from row n on, and with
      `valid`, bool [max_boxes], True for the first n. The rest stays as it is.

    Raises:
      TypeError: if boxes are not [n, 4], or masks are RLE and not an array.
      ValueError: if there are more boxes, or a field has another number of rows.

    Example:
      >>> sample = {"boxes": np.ones((2, 4)), "target": np.array([3, 7])}
      >>> padded = pad_boxes(sample, 3)
      >>> padded["target"].tolist(), padded["valid"].tolist()
      ([3, 7, 0], [True, True, False])
    """
    check_at_least("pad_boxes: max_boxes", max_boxes, 1)
    boxes = sample.get("boxes") if isinstance(sample, dict) else None
    if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise TypeError(
            f"pad_boxes needs a sample with boxes, an array [n, 4], got"
            f" {describe(sample)}. Pad each sample before they are put in batches."
        )
    count = len(boxes)
    if count > max_boxes:
        raise ValueError(
            f"pad_boxes: a sample has {count} boxes, more than max_boxes={max_boxes}."
            " COCO has up to 93 in an image: raise it, or choose some boxes before."
        )
    padded = {**sample, "valid": np.arange(max_boxes) < count}
    for name in set(FIELDS) & set(sample):
        rows = sample[name]
        if not isinstance(rows, np.ndarray):
            raise TypeError(
                f"pad_boxes needs arrays, got {name} = {describe(rows)}. Read masks as"
                ' arrays, CocoDetection(..., masks="array"), or leave them out.'
            )
        if len(rows) != count:
            raise ValueError(f"pad_boxes: {len(rows)} rows of {name}, {count} boxes.")
        pads = [(0, max_boxes - count)] + [(0, 0)] * (rows.ndim - 1)
        padded[name] = np.pad(rows, pads)
    return padded
