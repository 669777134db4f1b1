"""CocoDetection: images with boxes and masks of objects."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tntjax._check import check_choice
from tntjax._struct import pytree, static
from tntjax._types import Sample
from tntjax.vision._coco_files import Annotated, CocoImages, is_class, read_annotations
from tntjax.vision._image_files import check_decode, read_image
from tntjax.vision._names import Names
from tntjax.vision._rle import polygons_to_rle, rle_decode, rle_encode

CHOICES = {
    "masks": ("rle", "array"),
    "crowd": ("mark", "drop"),
    "empty": ("keep", "drop"),
    "flat": ("keep", "drop"),
}


@pytree
class CocoDetection(CocoImages):
    """COCO's images, with the boxes of their objects and, if asked for, the masks.

    Annotations are read once, images and masks when their turn comes, in the order of
    ids. Categories are numbered from 0 without the holes of COCO's 80 ids up to 90.

    Args:
      images: the folder, such as "coco/val2017".
      annotations: "coco/annotations/instances_val2017.json", or another file in its
        form; of a test set the list of images.
      masks: None, "rle" for a list of `{"size", "counts": bytes}`, or "array" for bool
        [n, H, W]. Polygons are filled by pycocotools.
      crowd: "mark" keeps regions of many objects, which are to be ignored and not
        learnt (`iscrowd`), "drop" leaves them out.
      empty: "keep" keeps images of which no object is kept, as evaluation must (1,021
        of train2017 have none), "drop" leaves them out.
      flat: "keep" or "drop" for boxes without width or height, of which COCO has some.
      decode: `bytes -> array` of the same size; `fit_image` and `fit_boxes` change it.

    Raises:
      FileNotFoundError: if a file or folder is not there; the text tells where to get
        it. Nothing is downloaded.
      TypeError: if `decode` is not a function.
      ValueError: if an option is unknown, or the file is not whole or of another kind.

    Example:
      >>> CocoDetection("val2017", "instances_val2017.json", crowd="ignore")
      Traceback (most recent call last):
      ValueError: CocoDetection needs crowd 'mark' or 'drop', got 'ignore'.

    Samples, of n objects: `input` uint8 [H, W, 3], `target` int32 [n], `boxes` float32
    [n, 4] (left, top, right, bottom), `area` float32 [n] of the mask, which says small
    or large in evaluation (of the box where the file has none), `iscrowd` bool [n],
    `category_id` int32 [n] as in the file, `image_id` int64 []. `classes` names the
    targets. For batches: `pad_boxes`.

    Purpose: detection and segmentation.

    Source: https://cocodataset.org/#format-data; T.-Y. Lin et al., 2014.
    """

    masks: str | None = static(default=None, kw_only=True)
    crowd: str = static(default="mark", kw_only=True)
    empty: str = static(default="keep", kw_only=True)
    flat: str = static(default="keep", kw_only=True)
    classes: tuple[str, ...] = static(init=False)

    def __post_init__(self) -> None:
        check_decode(self)
        for name, values in CHOICES.items():
            if name != "masks" or self.masks is not None:
                check_choice("CocoDetection", name, getattr(self, name), values)

        def keep(note: dict[str, Any]) -> bool:
            dropped = self.crowd == "drop" and note.get("iscrowd", 0)
            return not (dropped or self.flat == "drop" and min(note["bbox"][2:]) <= 0)

        hint = "For captions: CocoCaptions."
        found = read_annotations(self, NEEDED, hint, keep, self.empty == "keep")
        columns = _make_columns(found, self.annotations)
        if self.masks:
            parts = (json.dumps(note.get("segmentation")) for note in found.notes)
            columns["segmentation"] = Names.pack(parts)
        classes = tuple(entry["name"] for entry in found.categories)
        vars(self).update(files=found.files, columns=columns, classes=classes)

    def _get(self, index: int) -> Sample:
        columns, image = self.columns, read_image(self, index)
        start, end = columns["starts"][index : index + 2]
        size = tuple(columns["sizes"][index].tolist())
        if np.shape(image)[:2] != size:
            raise ValueError(
                f"CocoDetection: {self.files.where(index)} is {np.shape(image)[:2]},"
                f" but its annotations are for {size}. To change the size, use"
                " fit_image and fit_boxes in a TransformDataset."
            )
        names = ("target", "boxes", "area", "iscrowd", "category_id")
        sample = {"input": image} | {n: columns[n][start:end].copy() for n in names}
        sample["image_id"] = columns["ids"][index]
        if self.masks:
            sample["masks"] = self._read_masks(range(start, end), size)
        return sample

    def _read_masks(self, rows: range, size: tuple[int, int]) -> Any:
        parts = [json.loads(self.columns["segmentation"][row]) for row in rows]
        try:
            masks = [_to_rle(part, size) for part in parts]
        except (TypeError, ValueError) as error:
            error.add_note(f"Masks of an image of {self.annotations}.")
            raise
        if self.masks == "rle":
            return masks
        return np.array([rle_decode(m) for m in masks], bool).reshape(-1, *size)


def _make_columns(found: Annotated, path: Any) -> dict[str, Any]:
    notes = found.notes
    numbers = {entry["id"]: n for n, entry in enumerate(found.categories)}
    if strange := {note["category_id"] for note in notes} - set(numbers):
        raise ValueError(
            f"CocoDetection: {path} has objects of categories that it does not list:"
            f" {sorted(strange)[:5]}."
        )
    corners = np.array([note["bbox"] for note in notes], np.float64).reshape(-1, 4)
    areas = corners[:, 2] * corners[:, 3]
    for row, note in enumerate(notes):
        areas[row] = areas[row] if note.get("area") is None else note["area"]
    corners[:, 2:] += corners[:, :2]
    raw = np.array([note["category_id"] for note in notes], np.int32)
    return found.columns | {
        "target": np.array([numbers[number] for number in raw], np.int32),
        "boxes": corners.astype(np.float32),
        "area": areas.astype(np.float32),
        "iscrowd": np.array([note.get("iscrowd") or 0 for note in notes], bool),
        "category_id": raw,
    }


def _to_rle(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Makes packed RLE of polygons, of a list of runs, or of a packed string."""
    if not isinstance(segmentation, Mapping):
        return polygons_to_rle(segmentation or (), *size)
    mask = rle_decode(segmentation)
    if mask.shape != size:
        raise ValueError(f"A mask is {mask.shape}, its image {size}.")
    return rle_encode(mask)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e18  # squared, a float32


def _is_box(value: Any) -> bool:
    whole = isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))
    return whole and min(value[2:]) >= 0


NEEDED = {
    "bbox": _is_box,
    "category_id": is_class,
    "area": lambda value: value is None or _is_number(value),
    "iscrowd": lambda value: value in (None, 0, 1),
}
