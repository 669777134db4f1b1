"""COCO's annotations: one file of JSON, kept as columns."""

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tntjax._files import as_place
from tntjax._struct import Opaque, child, describe, pytree, static
from tntjax.dataset._index_map import IndexMap
from tntjax.vision._decode import decode_image
from tntjax.vision._image_files import FolderFiles
from tntjax.vision._missing import Source, missing
from tntjax.vision._names import Names

SITE = "http://images.cocodataset.org"
SOURCE = Source(
    "COCO",
    f"{SITE}/annotations/annotations_trainval2017.zip,"
    f" {SITE}/zips/train2017.zip (19 GB) and {SITE}/zips/val2017.zip (0.8 GB); unzip",
    "annotations CC BY 4.0; each image has a licence of its own, from Flickr",
    "annotations/{instances,captions}_{train,val}2017.json\n"
    "{train,val}2017/000000NNNNNN.jpg",
)

Needed = dict[str, Callable[[Any], bool]]
"""Entries that a row of JSON needs, and what they must be."""


@pytree
class CocoImages(IndexMap):
    """COCO's images in the order of their ids, with annotations as columns."""

    images: str | os.PathLike[str] = static()
    annotations: str | os.PathLike[str] = static()
    decode: Callable[[bytes], Any] = static(default=decode_image, kw_only=True)
    files: FolderFiles = child(Opaque, init=False)
    columns: dict[str, Any] = child(Opaque, init=False)

    def __len__(self) -> int:
        return len(self.columns["ids"])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.images!r}, {self.annotations!r})"


class Annotated(NamedTuple):
    """Images and their annotations, both in the order of the images' ids."""

    files: FolderFiles
    columns: dict[str, Any]  # ids [I], sizes [I, 2], starts [I + 1] of each in `notes`
    notes: list[dict[str, Any]]
    categories: list[dict[str, Any]]


def read_annotations(
    dataset: CocoImages,
    needed: Needed,
    hint: str,
    keep: Callable[[dict[str, Any]], bool],
    empty: bool,
) -> Annotated:
    """Reads the annotations to keep, and all images or those of which any is kept.

    A file whose annotations lack an entry that is `needed` is refused with a `hint`.
    """
    name = type(dataset).__name__
    images = as_place(dataset.images, f"{name}: images")
    path = as_place(dataset.annotations, f"{name}: annotations")
    if not os.path.isfile(path):
        raise missing(SOURCE, "the file of annotations", [path])
    if not os.path.isdir(images):
        raise missing(SOURCE, "the folder of images", [images])
    content = _load(path, f"{name}: {path}", needed, hint)
    notes = sorted(filter(keep, content["annotations"]), key=lambda n: n["image_id"])
    owners = np.array([note["image_id"] for note in notes], np.int64)
    noted, rows = set(owners.tolist()), content["images"]
    if strange := sorted(noted - {row["id"] for row in rows}):
        raise ValueError(f"{name}: {path} annotates images it lacks: {strange[:5]}.")
    rows = [row for row in rows if empty or row["id"] in noted]
    ids = np.array([row["id"] for row in rows], np.int64)
    sizes = np.array([(row["height"], row["width"]) for row in rows], np.int64)
    starts = np.append(np.searchsorted(owners, ids), len(owners))
    files = FolderFiles(images, Names.pack(row["file_name"] for row in rows))
    columns = {"ids": ids, "sizes": sizes, "starts": starts}
    return Annotated(files, columns, notes, content["categories"])


def _load(path: str, where: str, needed: Needed, hint: str) -> dict[str, Any]:
    """Reads a file; images and categories are sorted by their ids."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is no JSON, or cut short: {error}") from error
    if not isinstance(content, dict) or "images" not in content:
        raise ValueError(
            f"{where} is no file of annotations: it should be a dict with"
            ' "images" and "annotations".'
        )
    for group, checks in NEEDED.items():
        rows = content.setdefault(group, [])
        if not isinstance(rows, list):
            raise ValueError(
                f"{where}: {group} should be a list, not {describe(rows)}."
            )
        checks = checks | needed if group == "annotations" else checks
        for place, row in enumerate(rows):
            for entry, is_right in checks.items():
                if not isinstance(row, dict) or not is_right(row.get(entry)):
                    other = entry in needed and entry not in row
                    raise ValueError(
                        f"{where}: {group}[{place}] has a wrong {entry!r}, or none:"
                        f" {describe(row)}." + f" {hint}" * other
                    )
        if group != "annotations":
            rows.sort(key=lambda row: row["id"])
            if len({row["id"] for row in rows}) < len(rows):
                raise ValueError(f"{where} has two {group} of one id.")
    return content


def is_id(value: Any) -> bool:
    """True for an integer of 64 bits."""
    return type(value) is int and abs(value) < 2**63


def is_class(value: Any) -> bool:
    """True for an integer of 32 bits, as samples have it."""
    return type(value) is int and abs(value) < 2**31


def is_text(value: Any) -> bool:
    """True for a string."""
    return isinstance(value, str)


def _is_side(value: Any) -> bool:
    return is_id(value) and value > 0


NEEDED: dict[str, Needed] = {
    "images": {
        "id": is_id,
        "file_name": is_text,
        "height": _is_side,
        "width": _is_side,
    },
    "annotations": {"image_id": is_id},
    "categories": {"id": is_class, "name": is_text},
}
