"""All twelve numbers are those of pycocotools."""

import contextlib
import io
import pickle

import jax
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.vision import coco
from tntjax.vision import CocoDetection, CocoMAPMeter, pad_boxes, rle_encode

SIDE = 160


def theirs(outputs, targets, kind):
    """What pycocotools measures, with NaN for its -1."""

    def region(side, at):
        left, top, right, bottom = map(float, side["boxes"][at])
        record = {"bbox": [left, top, right - left, bottom - top]}
        if kind == "masks":
            mask = side["masks"][at]
            if not isinstance(mask, dict):
                mask = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            record["segmentation"] = mask
            record |= {} if "iscrowd" in side else {"bbox": None}
        return {name: value for name, value in record.items() if value is not None}

    truth, found = [], []
    for image, (output, target) in enumerate(zip(outputs, targets, strict=True), 1):
        for at, label in enumerate(target["labels"]):
            own = {name: target[name][at].item() for name in ("iscrowd", "area")}
            own |= {"id": len(truth) + 1, "image_id": image, "category_id": int(label)}
            truth.append(own | region(target, at))
        for at, label in enumerate(output["labels"]):
            own = {"image_id": image, "category_id": int(label)}
            own["score"] = float(output["scores"][at])
            found.append(own | region(output, at))
    images = [
        {"id": at + 1, "height": SIDE, "width": SIDE} for at in range(len(targets))
    ]
    categories = [{"id": label} for label in range(8)]
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {"info": {}, "images": images, "categories": categories}
        known.dataset["annotations"] = truth
        known.createIndex()
        return judge(known, known.loadRes(found), kind)


def judge(truth, found, kind):
    evaluation = COCOeval(truth, found, {"boxes": "bbox", "masks": "segm"}[kind])
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return np.where(evaluation.stats == -1, np.nan, evaluation.stats)


def draw_masks(rng, boxes):
    masks = np.zeros((len(boxes), SIDE, SIDE), bool)
    for mask, box in zip(masks, np.clip(boxes, 0, SIDE).astype(int), strict=True):
        left, top, right, bottom = box
        part = rng.random((max(bottom - top, 0), max(right - left, 0))) < 0.9
        mask[top:bottom, left:right] = part
    return masks


def draw(seed, images=5):
    """Detections near objects, with ties, crowds, empty images and unknown classes."""
    rng, outputs, targets = np.random.default_rng(seed), [], []
    for _ in range(images):
        known, found = rng.integers(0, 6), rng.integers(0, 14)
        low = rng.integers(0, SIDE // 2, (known, 2))
        boxes = np.concatenate([low, low + rng.integers(1, SIDE // 2, low.shape)], 1)
        labels = rng.integers(1, 4, known)
        target = {
            "boxes": boxes.astype(float),
            "labels": labels,
            "iscrowd": rng.random(known) < 0.2,
            "area": rng.choice([300.0, 1024, 1050, 9216, 9300, 20000], known),
        }
        near = rng.integers(0, max(known, 1), found)
        shift = rng.integers(-6, 7, (found, 4)) * (rng.random((found, 1)) < 0.8)
        boxes = (boxes[near] if known else np.tile([0, 0, 9, 9], (found, 1))) + shift
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        odd = rng.random(found) < 0.2
        own = labels[near] if known else np.ones(found, int)
        output = {
            "boxes": boxes.astype(float),
            "labels": np.where(odd, rng.integers(1, 5, found), own),
            "scores": rng.integers(0, 8, found) / 8,
        }
        for side in (target, output):
            side["masks"] = draw_masks(rng, side["boxes"])
        outputs.append(output), targets.append(target)
    return outputs, targets


@pytest.mark.parametrize("kind", ["boxes", "masks"])
@pytest.mark.parametrize("seed", range(6))
def test_random_detections(kind, seed):
    outputs, targets = draw(seed)
    found = CocoMAPMeter(kind).add(outputs, targets).value()
    np.testing.assert_allclose(found, theirs(outputs, targets, kind), rtol=0, atol=1e-9)


@pytest.mark.parametrize("place", [99, 100])  # the last that counts, and the next
def test_more_detections_than_count(place):
    rng = np.random.default_rng(0)
    outputs, targets = draw(3, images=2)
    low = rng.random((150, 2)) * 100
    outputs[0]["boxes"] = np.concatenate([low, low + 20], 1)
    outputs[0]["labels"] = np.full(150, targets[0]["labels"][0])
    outputs[0]["scores"] = np.linspace(1, 0, 150)
    outputs[0]["boxes"][place] = targets[0]["boxes"][0]
    found = CocoMAPMeter().add(outputs, targets).value()
    expected = theirs(outputs, targets, "boxes")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_many_random_detections(kind):
    for seed in range(100, 140):
        outputs, targets = draw(seed)
        found = CocoMAPMeter(kind).add(outputs, targets).value()
        expected = theirs(outputs, targets, kind)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_real_coins():
    """24 coins of a photograph, with their real outlines, found not quite."""
    data, measure = (pytest.importorskip(f"skimage.{n}") for n in ("data", "measure"))
    photo = data.coins()[: 2 * SIDE, : 2 * SIDE]
    regions = [
        r for r in measure.regionprops(measure.label(photo > 110)) if r.area > 200
    ]
    assert len(regions) > 8
    boxes = np.array(
        [np.roll(np.reshape(r.bbox, (2, 2)), 1, 1).ravel() for r in regions]
    )
    masks = np.zeros((len(regions), *photo.shape), bool)
    for mask, region in zip(masks, regions, strict=True):
        mask[tuple(region.coords.T)] = True
    area = masks.sum((1, 2)).astype(float)
    crowd = np.arange(len(boxes)) == 0
    labels = 1 + (area > np.median(area))
    target = {"boxes": boxes, "masks": masks, "labels": labels, "area": area}
    target["iscrowd"] = crowd
    shifts = np.arange(len(boxes)) % 6
    moved = [np.roll(m, s, 1) for m, s in zip(masks, shifts, strict=True)]
    output = {"boxes": boxes + shifts[:, None] * [1, 0, 1, 0], "labels": labels}
    output |= {"masks": np.array(moved), "scores": np.linspace(1, 0.1, len(boxes))}
    empty = {name: column[:0] for name, column in target.items()}
    output["masks"] = [rle_encode(mask) for mask in moved]  # beside arrays
    for kind in ("boxes", "masks"):
        pair = [output, output], [target, empty]
        found = CocoMAPMeter(kind).add(*pair).value()
        np.testing.assert_allclose(found, theirs(*pair, kind), rtol=0, atol=1e-9)


def test_images_may_be_padded_and_come_from_a_device():
    outputs, targets = draw(1)

    def pad(side, most):
        sizes = np.array([len(one["boxes"]) for one in side])
        rows = {"valid": np.arange(most) < sizes[:, None], "input": np.zeros((5, 9, 9))}
        for name in set(side[0]) - {"masks"}:
            rows[name] = np.zeros((len(side), most, *side[0][name].shape[1:]))
            for row, one in zip(rows[name], side, strict=True):
                row[: len(one[name])] = one[name]
        return jax.device_put(rows)

    for target in targets:  # as CocoDetection has them
        target["target"] = target.pop("labels")
    assert CocoMAPMeter().add(outputs[0], targets[0]).n == 1
    padded = CocoMAPMeter().add(pad(outputs, 16), pad(targets, 8))
    expected = CocoMAPMeter().add(outputs, targets)
    np.testing.assert_allclose(padded.value(), expected.value(), atol=1e-6)


def have_same_bits(one, other):
    return np.array_equal(one, other, equal_nan=True)


def test_parts_are_merged_and_a_meter_is_a_value():
    outputs, targets = draw(2)
    whole = CocoMAPMeter().add(outputs, targets)
    first = CocoMAPMeter().add(outputs[:2], targets[:2])
    second = CocoMAPMeter().add(outputs[2:], targets[2:])
    assert have_same_bits(first.merge(second).value(), whole.value())
    masked = CocoMAPMeter().add(outputs, targets, mask=np.arange(5) < 2)
    assert have_same_bits(masked.value(), first.value()) and masked.n == 2
    assert have_same_bits(whole.merge(whole.reset()).value(), whole.value())
    assert have_same_bits(pickle.loads(pickle.dumps(whole)).value(), whole.value())
    assert np.isnan(whole.reset().value()).all() and repr(whole).startswith("Coco")


def test_what_does_not_fit_is_refused():
    outputs, targets = draw(2)
    with pytest.raises(ValueError, match="kind 'boxes' or 'masks', got 'bbox'"):
        CocoMAPMeter("bbox")
    with pytest.raises(ValueError, match="as many images in output and target"):
        CocoMAPMeter().add(outputs[:1], targets)
    short = {**outputs[0], "boxes": outputs[0]["boxes"][1:]}
    with pytest.raises(
        ValueError, match=r"labels \[2\] of 2 regions, .* got int64\[3\]"
    ):
        CocoMAPMeter().add([short], targets[:1])
    with pytest.raises(TypeError, match="works on the host"):
        jax.jit(lambda o: CocoMAPMeter().add(o, o).n)({"labels": np.zeros(1)})
    with pytest.raises(TypeError, match="merge needs another CocoMAPMeter"):
        CocoMAPMeter().merge(3)
    odd = {"boxes": [1, 2, 3], "labels": [1, 1, 1], "scores": [1, 1, 1]}
    with pytest.raises(ValueError, match=r"needs boxes \[N, 4\]"):
        CocoMAPMeter().add([odd], [odd])


CORNERS = np.array([[0, 0, 10, 10], [5, 5, 20, 20], [30, 30, 40, 45]], float)
OUTPUT = {"boxes": CORNERS, "labels": [1, 2, 1], "scores": [0.9, 0.8, 0.7]}
TARGET = {"boxes": CORNERS + 1, "target": np.array([1, 2, 1])}


@pytest.mark.parametrize("wrap", [lambda image: image, lambda image: [image]])
def test_rows_of_one_image_that_only_fill_up_are_left_out(wrap):
    target = pad_boxes(TARGET, 6)
    target["boxes"][3:] = np.nan
    output = {name: np.append(OUTPUT[name], [np.nan]) for name in ("labels", "scores")}
    output |= {"boxes": np.append(CORNERS, [[0.0] * 4], 0), "valid": np.arange(4) < 3}
    found = CocoMAPMeter().add(wrap(output), wrap(target))
    expected = CocoMAPMeter().add([OUTPUT], [TARGET])
    assert have_same_bits(found.value(), expected.value()) and found.n == 1
    assert expected.value().ap_50 == 1


@pytest.mark.parametrize(
    ("output", "target", "error", "message"),
    [
        ({"scores": [0.9] * 5}, {}, ValueError, r"scores \[3\] of 3 regions"),
        ({"scores": [0.9, np.nan, 0]}, {}, ValueError, "none of them NaN"),
        ({"scores": None}, {}, TypeError, r"scores \[3\] of 3 regions, numbers, got"),
        ({"labels": [[1], [2], [1]]}, {}, ValueError, r"labels \[3\] of 3 regions"),
        ({"labels": [1, 1.5, 2]}, {}, ValueError, "labels that are integers"),
        ({"labels": ["a", "b", "c"]}, {}, TypeError, "numbers, got <U1"),
        ({"boxes": CORNERS * np.nan}, {}, ValueError, "boxes that are numbers"),
        ({"boxes": "a"}, {}, TypeError, r"boxes \[N, 4\] of an image, numbers"),
        ({"valid": [1, 1, 0]}, {}, TypeError, "valid must be bool"),
        ({}, {"iscrowd": [0, 1, 0, 1]}, ValueError, r"iscrowd \[3\] of 3"),
        ({}, {"iscrowd": ["0"] * 3}, TypeError, "numbers, got <U1"),
        ({}, {"area": [1.0] * 5}, ValueError, r"area \[3\] of 3 regions"),
        ({}, {"area": [np.nan] * 3}, ValueError, "none of them NaN"),
    ],
)
def test_columns_that_do_not_fit_are_refused(output, target, error, message):
    with pytest.raises(error, match=f"CocoMAPMeter.*{message}"):
        CocoMAPMeter().add([{**OUTPUT, **output}], [{**TARGET, **target}])


def test_images_that_are_no_dicts_or_lack_a_column_are_refused():
    with pytest.raises(TypeError, match="a list of dicts, one for each image, got 3"):
        CocoMAPMeter().add(3, [])
    with pytest.raises(ValueError, match=r"dict with \['boxes', 'labels', 'scores'\]"):
        CocoMAPMeter().add([None], [TARGET])
    with pytest.raises(ValueError, match=r"dict with \['masks', 'labels', 'scores'\]"):
        CocoMAPMeter("masks").add(OUTPUT, TARGET)
    batch = {name: np.stack([column] * 2) for name, column in OUTPUT.items()}
    with pytest.raises(ValueError, match="as many images in each column"):
        CocoMAPMeter().add(batch | {"scores": np.ones((1, 3))}, batch)


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_samples_of_coco_are_targets(kind, tmp_path):
    folder, path, _ = coco.write(tmp_path)
    dataset = CocoDetection(folder, path, masks="rle")
    rng, found, outputs = np.random.default_rng(0), [], []
    for sample in dataset:
        shift = rng.integers(-9, 10, sample["boxes"].shape).astype(float)
        output = {"boxes": sample["boxes"] + shift, "labels": sample["target"]}
        output |= {"masks": sample["masks"], "scores": rng.random(len(shift))}
        outputs.append(output)
        for at, box in enumerate(output["boxes"].tolist()):
            own = {"image_id": int(sample["image_id"]), "score": output["scores"][at]}
            own["category_id"] = int(sample["category_id"][at])
            box = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            mask = {"segmentation": sample["masks"][at]}
            found.append(own | (mask if kind == "masks" else {"bbox": box}))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        truth.dataset.setdefault("info", {})
        expected = judge(truth, truth.loadRes(found), kind)
    measured = CocoMAPMeter(kind).add(outputs, list(dataset)).value()
    np.testing.assert_allclose(measured, expected, rtol=0, atol=1e-9)
