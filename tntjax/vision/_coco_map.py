"""Mean average precision of detections, as COCO measures it."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from tntjax._array import as_mask
from tntjax._check import check_choice, require
from tntjax._struct import static
from tntjax.meter import Meter
from tntjax.meter._meter import check_same, is_traced
from tntjax.vision._coco_match import MOST, THRESHOLDS, Match, match_image

RECALLS = np.linspace(0, 1, 101)


class CocoScores(NamedTuple):
    """COCO's twelve numbers, from 0 to 1; NaN where there is nothing to be found.

    Average precision: the mean over ten overlaps from 0.5 to 0.95, at 0.5, at 0.75; of
    small, medium and large objects. Average recall with at most 1, 10 and 100
    detections of a class in an image; of small, medium and large objects.
    """

    ap: float
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float


class CocoMAPMeter(Meter):
    """Measures mean average precision and recall of detections, on the host.

    Args:
      kind: what is compared: "boxes" or "masks".
      matches: what was matched, image by image.
      n: how many images were added.

    Raises:
      ValueError: if `kind` is another.

    Example:
      >>> target = {"boxes": [[0, 0, 10, 10]], "labels": [3]}
      >>> output = {"boxes": [[0, 0, 10, 8]], "labels": [3], "scores": [0.9]}
      >>> CocoMAPMeter().add([output], [target])
      CocoMAPMeter(ap=0.7, ap_50=1, ap_75=1, n=1)

    The numbers are those of pycocotools, which writes -1 for NaN. Of equal scores the
    one that was added first is better, so add images in order of their ids.
    """

    kind: str = static(default="boxes")
    matches: tuple = ()
    n: Any = 0

    def __post_init__(self) -> None:
        check_choice("CocoMAPMeter", "kind", self.kind, ("boxes", "masks"))

    def add(self, output: Any, target: Any, *, mask: Any = None) -> Self:
        """Matches the detections of images with what is there.

        Args:
          output: a list of dicts, one for each image: `boxes` [N, 4] left, top, right,
            bottom, or `masks`, [N, H, W] bool or N RLE; `labels` [N] integers; `scores`
            [N]. With `valid` [N] bool, as of `pad_boxes`, rows that are False are left
            out. Or one dict of arrays [B, N, ...].
          target: the same without scores, and perhaps `iscrowd` [N] bool, and `area`
            [N], by default that of the region: a sample of `CocoDetection` is such a
            dict, with its labels in `target`.
          mask: [B] bool; False leaves an image out.

        Raises:
          TypeError: in compiled code, as images have more or fewer objects; or if a
            column does not hold numbers.
          ValueError: if there are not as many images, or regions and labels, or a
            number is NaN.
        """
        if is_traced((output, target, mask)):
            raise TypeError(
                "CocoMAPMeter.add works on the host: call it in tnt.watch, or keep the"
                " outputs in state.aux, padded, and add them after."
            )
        outputs, targets = (_split_images(side, self.kind) for side in (output, target))
        counts = len(outputs), len(targets)
        needs = "CocoMAPMeter.add needs as many images in output and target"
        require(len(outputs) == len(targets), needs, *counts)
        kept = np.ones(len(outputs), bool)
        if mask is not None:
            kept &= as_mask(mask, kept.shape, "CocoMAPMeter.add: mask")
        matches = [
            match
            for place in np.flatnonzero(kept)
            for match in match_image(outputs[place], targets[place], self.kind)
        ]
        n = self.n + int(kept.sum())
        return dataclasses.replace(self, matches=self.matches + tuple(matches), n=n)

    def merge(self, other: Self) -> Self:
        """Puts the images of another meter behind."""
        check_same(self, other)
        matches, n = self.matches + other.matches, self.n + other.n
        return dataclasses.replace(self, matches=matches, n=n)

    def reset(self) -> Self:
        """Returns the meter that has seen no image."""
        return dataclasses.replace(self, matches=(), n=0)

    def value(self) -> CocoScores:
        """Returns the twelve numbers."""
        by_label: dict[int, list[Match]] = collections.defaultdict(list)
        for match in self.matches:
            by_label[int(match.label)].append(match)
        groups = [by_label[label] for label in sorted(by_label)]
        curves = [[_curve(group, area, MOST) for group in groups] for area in range(4)]
        precision = [_stack(part, 0) for part in curves]  # 4 times [classes, 10, 101]
        recall = [_stack(part, 1) for part in curves]  # 4 times [classes, 10]
        few = [_stack([_curve(group, 0, k) for group in groups], 1) for k in (1, 10)]
        at_50, at_75 = precision[0][:, 0], precision[0][:, 5]
        tables = [precision[0], at_50, at_75, *precision[1:], *few, *recall]
        return CocoScores(*(t.mean() if t.size else np.nan for t in tables))

    def summary(self) -> dict[str, Any]:
        """Returns the three most read."""
        return dict(list(self.value()._asdict().items())[:3])


def _split_images(side: Any, kind: str) -> list:
    """Returns a dict for each image."""
    needs = "CocoMAPMeter.add needs a list of dicts, one for each image"
    require(isinstance(side, Iterable), needs, side, error=TypeError)
    if not isinstance(side, Mapping):
        return list(side)
    names = {kind, "labels", "target", "scores", "iscrowd", "area", "valid"}
    side = jax.device_get({name: side[name] for name in names & set(side)})
    labels = side.get("target", side.get("labels"))
    if np.ndim(labels) < 2:
        return [side]
    fits = len({len(column) for column in side.values()}) == 1
    require(fits, "CocoMAPMeter.add needs as many images in each column", side)
    columns = zip(*side.values(), strict=True)
    return [dict(zip(side, image, strict=True)) for image in columns]


def _curve(
    group: list[Match], area: int, most: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns precision [10, 101] at each recall, and the recall [10] that is reached.

    None of a class that is nowhere to be found.
    """
    positives = sum(int(match.positives[area]) for match in group)
    if not positives:
        return None
    scores = np.concatenate([match.scores[:most] for match in group])
    order = np.argsort(-scores, kind="stable")
    matched, ignored = (
        np.concatenate([getattr(m, name)[area, :, :most] for m in group], 1)[:, order]
        for name in ("matched", "ignored")
    )
    counted = ~ignored  # [10, D]
    right = np.cumsum(matched & counted, 1).astype(float)
    wrong = np.cumsum(~matched & counted, 1).astype(float)
    recall = right / positives
    precision = right / (wrong + right + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # 0 where a recall isn't reached
    at = [np.searchsorted(row, RECALLS) for row in recall]
    reached = recall[:, -1] if len(scores) else np.zeros(len(THRESHOLDS))
    return np.take_along_axis(precision, np.stack(at), 1), reached


def _stack(curves: list, part: int) -> np.ndarray:
    known = [curve[part] for curve in curves if curve is not None]
    return np.array(known) if known else np.zeros((0, len(THRESHOLDS)))
