"""COCO's annotations: one file of JSON, kept as columns."""

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tntjax._struct import describe
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


class Annotated(NamedTuple):
    """Images, sorted by their ids, and their annotations, in the order of the file."""

    files: FolderFiles
    ids: np.ndarray  # int64 [I]
    sizes: np.ndarray  # int64 [I, 2], heights and widths
    starts: np.ndarray  # int64 [I + 1], into `listed`, where those of each image begin
    listed: list[dict[str, Any]]
    categories: list[dict[str, Any]]


def read_annotations(
    name: str, images: str, path: str, keep: Callable[[dict[str, Any]], bool], all: bool
) -> Annotated:
    """Reads the annotations to keep, and all images or those of which any is kept.

    Raises:
      FileNotFoundError: if the file or the folder is not there.
      ValueError: if it is no such file, or not whole in itself.
    """
    images, path = (os.path.abspath(os.path.expanduser(p)) for p in (images, path))
    if not os.path.isfile(path):
        raise missing(SOURCE, "the file of annotations", [path])
    if not os.path.isdir(images):
        raise missing(SOURCE, "the folder of images", [images])
    content = _load(name, path)
    for group, needed in NEEDED.items():
        check_rows(content.get(group, []), needed, f"{name}: {path}: {group}")
    listed = [note for note in content.get("annotations", ()) if keep(note)]
    rows = sorted(content["images"], key=lambda image: image["id"])
    noted = {note["image_id"] for note in listed}
    ids = np.array([row["id"] for row in rows], np.int64)
    if strange := sorted(noted - set(ids.tolist())):
        raise ValueError(f"{name}: {path} annotates images it lacks: {strange[:5]}.")
    if len(set(ids.tolist())) < len(ids):
        raise ValueError(f"{name}: {path} has two images of one id.")
    if not all:
        rows = [row for row in rows if row["id"] in noted]
        ids = np.array([row["id"] for row in rows], np.int64)
    places = np.searchsorted(ids, [note["image_id"] for note in listed])
    order = np.argsort(places, kind="stable")
    names = Names.pack(row["file_name"] for row in rows)
    sizes = np.array([(row["height"], row["width"]) for row in rows], np.int64)
    starts = np.searchsorted(places[order], np.arange(len(ids) + 1))
    listed = [listed[place] for place in order]
    categories = sorted(content.get("categories", ()), key=lambda entry: entry["id"])
    if len({entry["id"] for entry in categories}) < len(categories):
        raise ValueError(f"{name}: {path} has two categories of one id.")
    return Annotated(FolderFiles(images, names), ids, sizes, starts, listed, categories)


def check_rows(rows: Any, needed: dict[str, Callable[[Any], bool]], where: str) -> None:
    """Raises a ValueError unless rows are dicts whose entries pass the checks.

    Args:
      rows: a list, as JSON has it.
      needed: for names of entries, whether a value is right.
      where: the start of the error.
    """
    if not isinstance(rows, list):
        raise ValueError(f"{where} should be a list, but is {describe(rows)}.")
    for place, row in enumerate(rows):
        for name, is_right in needed.items():
            if not isinstance(row, dict) or not is_right(row.get(name)):
                raise ValueError(
                    f"{where}[{place}] has a wrong {name!r}, or none: {describe(row)}."
                )


def is_id(value: Any) -> bool:
    """True for an integer of 64 bits."""
    return type(value) is int and abs(value) < 2**63


def is_text(value: Any) -> bool:
    """True for a string."""
    return isinstance(value, str)


def _is_side(value: Any) -> bool:
    return is_id(value) and value > 0


NEEDED = {
    "images": {
        "id": is_id,
        "file_name": is_text,
        "height": _is_side,
        "width": _is_side,
    },
    "annotations": {"image_id": is_id},
    "categories": {"id": is_id, "name": is_text},
}
"""Entries of the rows of a file, and what they must be."""


def _load(name: str, path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except ValueError as error:
        raise ValueError(f"{name}: {path} is no JSON, or cut short: {error}") from error
    if not isinstance(content, dict) or "images" not in content:
        raise ValueError(
            f"{name}: {path} is no file of annotations: it should be a dict with"
            ' "images" and "annotations".'
        )
    return content
