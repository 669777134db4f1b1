"""Detections of an image, matched with what is there as COCO's scorer matches them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tntjax._struct import describe

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


def match_image(output: Mapping, target: Mapping, kind: str) -> list[Match]:
    """Matches the detections of an image, class by class."""
    scores = np.asarray(output["scores"], np.float64)
    found, known = (np.asarray(side["labels"]) for side in (output, target))
    crowd = np.asarray(target.get("iscrowd", np.zeros(len(known))), bool)
    parts = [_select(output[kind], slice(None)), _select(target[kind], slice(None))]
    for side, part, size in zip(("output", "target"), parts, (len(found), len(known))):  # noqa: B905
        if len(part) != size:
            raise ValueError(
                f"CocoMAPMeter: {side} has {size} labels but {len(part)} {kind}."
            )
    area = target.get("area")
    area = _areas(parts[1], kind) if area is None else np.asarray(area, np.float64)
    matches = []
    for label in np.union1d(found, known):
        mine, others = np.flatnonzero(found == label), np.flatnonzero(known == label)
        mine = mine[np.argsort(-scores[mine], kind="stable")][:MOST]  # best first
        pair = _select(parts[0], mine), _select(parts[1], others)
        shares = _overlaps(*pair, crowd[others], kind)
        areas = _areas(pair[0], kind), area[others]
        rest = match_regions(shares, crowd[others], *areas)
        matches.append(Match(np.int64(label), scores[mine], *rest))
    return matches


def match_regions(
    shares: np.ndarray, crowd: np.ndarray, found: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives each detection, best first, the object it overlaps most and that is free.

    Args:
      shares: [D, G] overlaps of detections and objects.
      crowd: [G] bool, objects that take any number of detections, which don't count.
      found: [D] areas of detections.
      known: [G] areas of objects.

    Returns:
      `matched`, `ignored` and `positives` of `Match`.
    """
    skipped = crowd | _outside(known)  # [4, G]
    shape = (len(AREAS), len(THRESHOLDS), len(found))
    matched, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    taken = np.zeros((*shape[:2], len(known)), bool)  # [4, 10, G]
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


def _select(regions: Any, places: Any) -> Any:
    """Selects boxes or masks as an array, float64 [N, 4] or bool [N, H, W]."""
    regions = np.asarray(regions)
    if regions.dtype == object or regions.ndim not in (2, 3):
        if not regions.size:
            return np.zeros((0, 4))[places]
        raise ValueError(
            "CocoMAPMeter needs boxes [N, 4] or masks [N, H, W] of an image, got"
            f" {describe(regions)}."
        )
    return regions[places]


def _areas(regions: np.ndarray, kind: str) -> np.ndarray:
    if kind == "masks":
        return regions.sum((-2, -1), dtype=np.float64)
    regions = np.asarray(regions, np.float64)
    return (regions[:, 2] - regions[:, 0]) * (regions[:, 3] - regions[:, 1])


def _overlaps(
    found: np.ndarray, known: np.ndarray, crowd: np.ndarray, kind: str
) -> np.ndarray:
    """Computes [D, G] intersections over unions; over the detection, of a crowd."""
    if not (len(found) and len(known)):
        return np.zeros((len(found), len(known)))
    mine, others = _areas(found, kind)[:, None], _areas(known, kind)  # [D, 1], [G]
    if kind == "masks":
        flat = (part.reshape(len(part), -1) for part in (found, known))
        found, known = (part.astype(np.float64) for part in flat)
        shared = found @ known.T
    else:
        found, known = (np.asarray(part, np.float64) for part in (found, known))
        low = np.maximum(found[:, None, :2], known[:, :2])
        high = np.minimum(found[:, None, 2:], known[:, 2:])
        shared = np.maximum(high - low, 0).prod(-1)
    whole = np.where(crowd, mine, mine + others - shared)
    return np.where(shared > 0, shared / np.where(whole > 0, whole, 1), 0)
