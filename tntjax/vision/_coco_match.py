"""Detections of an image, matched with what is there as COCO's scorer matches them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tntjax._array import as_mask
from tntjax._check import require
from tntjax.meter.parts._inputs import as_real
from tntjax.vision._rle import rle_area, rle_encode, rle_iou

THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])
MOST = 100
"""Detections of a class that count in an image."""


class Match(NamedTuple):
    """D detections of a class in an image; 4 ranges of areas, 10 thresholds.

    `scores` [D] float64, best first; `matched` and `ignored` [4, 10, D] bool;
    `positives` [4] int64, how many objects were to be found.
    """

    label: Any
    scores: Any
    matched: Any
    ignored: Any
    positives: Any


def match_image(output: Any, target: Any, kind: str) -> list[Match]:
    """Matches the detections of an image, class by class."""
    mine, found, columns = _read(output, kind, ("labels", "scores"), ())
    scores = columns["scores"]
    label = "target" if "target" in target else "labels"
    others, known, columns = _read(target, kind, (label,), ("iscrowd", "area"))
    crowd = columns.get("iscrowd", np.zeros(len(others))) > 0
    area = columns.get("area", _areas(others, kind))
    matches = []
    for number in np.union1d(found, known):
        some, there = np.flatnonzero(found == number), np.flatnonzero(known == number)
        some = some[np.argsort(-scores[some], kind="stable")][:MOST]  # best first
        own, crowds = mine[some], crowd[there]
        shares = _overlaps(own, others[there], crowds, kind)
        rest = match_regions(shares, crowds, _areas(own, kind), area[there])
        matches.append(Match(np.int64(number), scores[some], *rest))
    return matches


def _read(
    image: Any, kind: str, needed: tuple[str, ...], known: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Returns the regions of an image that are there, their labels, and what is known.

    The labels are the first column that is `needed`.
    """
    fits = isinstance(image, Mapping) and {kind, *needed} <= set(image)
    needs = f"CocoMAPMeter needs a dict with {[kind, *needed]} of each image"
    require(fits, needs, image)
    regions = _as_regions(image[kind], kind)
    valid = np.ones(len(regions), bool)
    if "valid" in image:
        valid &= as_mask(image["valid"], valid.shape, "CocoMAPMeter.add: valid")
    rows = np.flatnonzero(valid)
    there = [name for name in known if image.get(name) is not None]
    columns = {
        name: _as_column(image[name], name, rows, len(regions))
        for name in (*needed, *there)
    }
    regions, labels = regions[rows], columns[needed[0]]
    if kind == "boxes" and np.isnan(regions).any():
        raise ValueError("CocoMAPMeter needs boxes that are numbers, got NaN.")
    if (labels != np.floor(labels)).any():
        raise ValueError(f"CocoMAPMeter needs labels that are integers, got {labels}.")
    return regions, labels.astype(np.int64), columns


def _as_column(values: Any, name: str, rows: np.ndarray, count: int) -> np.ndarray:
    needs = f"CocoMAPMeter needs {name} [{count}] of {count} regions, numbers"
    column = np.asarray(as_real(values, needs)).astype(np.float64)
    fits = column.shape == (count,) and not np.isnan(column[rows]).any()
    require(fits, f"{needs} and none of them NaN", values)
    return column[rows]


def match_regions(
    shares: np.ndarray, crowd: np.ndarray, found: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives each detection, best first, the object it overlaps most and that is free.

    `shares` are the overlaps [D, G] of detections and objects, `found` [D] and `known`
    [G] their areas; a `crowd` takes any number of detections, which don't count then.
    Returned are `matched`, `ignored` and `positives` of `Match`.
    """
    skipped = crowd | _outside(known)  # [4, G]
    matched, ignored = np.zeros((2, len(AREAS), len(THRESHOLDS), len(found)), bool)
    taken = np.zeros((len(AREAS), len(THRESHOLDS), len(known)), bool)
    least = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    for place, share in enumerate(shares if len(known) else ()):
        free = (share >= least) & (~taken | crowd)  # [4, 10, G]
        if not free.any():
            continue
        first = free & ~skipped[:, None]  # what doesn't count is the second choice
        free = np.where(first.any(-1, keepdims=True), first, free)
        # of equal overlaps the last, as there
        best = len(known) - 1 - np.where(free, share, -1)[..., ::-1].argmax(-1)
        matched[..., place] = free.any(-1)
        chosen = (np.arange(len(known)) == best[..., None]) & free
        ignored[..., place] = (chosen & skipped[:, None]).any(-1)
        taken |= chosen
    ignored |= ~matched & _outside(found)[:, None]
    return matched, ignored, (~skipped).sum(-1)


def _outside(areas: np.ndarray) -> np.ndarray:
    """Returns where areas [N] are outside of each range, [4, N]."""
    return (areas < AREAS[:, :1]) | (areas > AREAS[:, 1:])


def _as_regions(regions: Any, kind: str) -> np.ndarray:
    """Returns RLE [N], or boxes float64 [N, 4]."""
    if kind == "masks":
        masks = [r if isinstance(r, Mapping) else rle_encode(r) for r in regions]
        return np.fromiter(masks, object, len(masks))
    needs = "CocoMAPMeter needs boxes [N, 4] of an image, numbers"
    boxes = np.asarray(as_real(regions, needs)).astype(np.float64)
    fits = not boxes.size or boxes.ndim == 2 and boxes.shape[1] == 4
    require(fits, needs, regions)
    return boxes.reshape(-1, 4)


def _areas(regions: np.ndarray, kind: str) -> np.ndarray:
    if kind == "masks":
        return np.array([rle_area(region) for region in regions], np.float64)
    return (regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1])


def _overlaps(
    found: np.ndarray, known: np.ndarray, crowd: np.ndarray, kind: str
) -> np.ndarray:
    """Computes [D, G] intersections over unions; over the detection, of a crowd."""
    if kind == "masks":
        return rle_iou([*found], [*known], crowd)
    mine, others = _areas(found, kind)[:, None], _areas(known, kind)  # [D, 1], [G]
    low = np.maximum(found[:, None, :2], known[:, :2])  # [D, G, 2]
    high = np.minimum(found[:, None, 2:], known[:, 2:])
    shared = np.maximum(high - low, 0).prod(-1)
    whole = np.where(crowd, mine, mine + others - shared)
    return np.where(shared > 0, shared / np.where(whole > 0, whole, 1), 0)
