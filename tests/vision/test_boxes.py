"""Boxes, beside NumPy that does them one by one, and beside their images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax import vision
from tntjax.vision import box_giou, box_iou, convert_boxes, crop_boxes, flip_boxes, nms


def random_boxes(rng, *shape):
    low = rng.integers(0, 20, (*shape, 2))
    return np.concatenate([low, low + rng.integers(0, 15, low.shape)], -1).astype("f4")


def measure(one, other):
    """Intersection, union and the box around both, of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    around = np.maximum(one[2:], other[2:]) - np.minimum(one[:2], other[:2])
    shared = max(sides[0], 0) * max(sides[1], 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared, sum(areas) - shared, around.prod()


def test_overlaps_are_those_of_each_pair():
    rng = np.random.default_rng(0)
    first, second = random_boxes(rng, 2, 7), random_boxes(rng, 2, 5)
    iou, giou = box_iou(first, second), box_giou(first, second)
    assert iou.shape == giou.shape == (2, 7, 5)
    for at in np.ndindex(2, 7, 5):
        shared, union, around = measure(first[at[0], at[1]], second[at[0], at[2]])
        expected = shared / union if union else 0.0
        assert iou[at] == pytest.approx(expected, abs=1e-6)
        gap = (around - union) / around if around else 0.0
        assert giou[at] == pytest.approx(expected - gap, abs=1e-6)


@pytest.mark.slow
def test_boxes_without_an_area_have_no_nan_in_value_or_gradient():
    empty = jnp.zeros((1, 4))
    for overlap in (box_iou, box_giou):
        assert overlap(empty, empty).tolist() == [[0.0]]
        grad = jax.grad(lambda b, f=overlap: f(b, empty).sum())(empty)
        assert np.isfinite(grad).all()
    apart = jax.grad(lambda b: box_giou(b, jnp.array([[5.0, 5, 6, 6]])).sum())
    assert (apart(jnp.array([[0.0, 0, 1, 1]])) != 0).any()


@pytest.mark.parametrize("target", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("source", ["xyxy", "xywh", "cxcywh"])
def test_forms_are_converted_there_and_back(source, target):
    box = {"xyxy": [2, 4, 6, 10], "xywh": [2, 4, 4, 6], "cxcywh": [4, 7, 4, 6]}
    assert convert_boxes(box[source], source, target).tolist() == box[target]


def test_unknown_forms_and_shapes_are_refused():
    with pytest.raises(ValueError, match="'xyxy', 'xywh' or 'cxcywh', got 'xyx'"):
        convert_boxes([0, 0, 1, 1], "xyx", "xywh")
    with pytest.raises(ValueError, match=r"box_iou needs boxes \[..., N, 4\]"):
        box_iou(np.zeros((2, 5)), np.zeros((2, 4)))


def greedy(boxes, scores, threshold, labels, mask):
    left = [i for i in np.argsort(-scores, kind="stable") if mask[i]]
    kept = []
    while left:
        best, *rest = left
        kept.append(best)
        left = [
            i
            for i in rest
            if labels[i] != labels[best]
            or float(box_iou(boxes[best][None], boxes[i][None])[0, 0]) <= threshold
        ]
    return kept


suppress = jax.jit(
    lambda boxes, scores, labels, mask: nms(
        boxes, scores, 8, 0.31, labels=labels, mask=mask
    )
)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_suppression_is_greedy(seed):
    rng = np.random.default_rng(seed)
    boxes, labels = random_boxes(rng, 12), rng.integers(0, 2, 12)
    scores = rng.integers(0, 6, 12) / np.float32(6)  # many ties
    mask = rng.random(12) < 0.8
    kept = suppress(boxes, scores, labels, mask)
    expected = greedy(boxes, scores, 0.31, labels, mask)[:8]
    assert kept.index[np.asarray(kept.valid)].tolist() == expected
    assert kept.valid.tolist() == [True] * len(expected) + [False] * (8 - len(expected))
    assert (kept.index[len(expected) :] == 0).all()


def test_suppression_of_a_batch_of_none_and_of_odd_scores():
    boxes = np.tile(np.float32([[0, 0, 4, 4], [9, 9, 12, 12]]), (3, 1, 1))
    scores = jnp.array([[1.0, 2], [jnp.nan, 1], [-jnp.inf, -jnp.inf]])
    kept = jax.vmap(lambda b, s: nms(b, s, 2))(boxes, scores)
    assert kept.index.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert kept.valid.tolist() == [[True, True], [True, False], [True, True]]
    none = nms(np.zeros((0, 4)), np.zeros(0), 3)
    assert none.valid.tolist() == [False] * 3 and none.index.dtype == jnp.int32
    with pytest.raises(ValueError, match="For a batch: jax.vmap"):
        nms(boxes, scores, 2)
    with pytest.raises(ValueError, match="count must be at least 1"):
        nms(boxes[0], scores[0], 0)


def bounds(image):
    """The box around what is white in an image [H, W, 1]."""
    rows, columns = (np.flatnonzero(image[..., 0].any(axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_boxes_are_flipped_and_cropped_with_their_images():
    key, images = jax.random.key(0), np.zeros((6, 32, 40, 1), np.float32)
    boxes = np.float32([[4, 8, 20, 16], [24, 0, 40, 32]] * 3)[:, None]  # [6, 1, 4]
    for image, box in zip(images, boxes, strict=True):
        left, top, right, bottom = box[0].astype(int)
        image[top:bottom, left:right] = 1
    flips = vision.draw_flips(key, 6)
    flipped = np.asarray(vision.random_flip(key, images))
    moved = flip_boxes(boxes, flips, 40)
    assert 0 < flips.sum() < 6
    assert [bounds(image) for image in flipped] == np.asarray(moved)[:, 0].tolist()
    windows = vision.draw_windows(key, 6, (32, 40), (0.4, 1.0))
    cropped = np.asarray(vision.random_resized_crop(key, images, 160, (0.4, 1.0)))
    inside, share = crop_boxes(boxes, windows, 160)
    for image, box, part in zip(cropped, inside, share, strict=True):
        if part[0] > 0.1:
            np.testing.assert_allclose(bounds(image > 0.5), box[0], atol=1.01)
        else:
            assert part[0] > 0 or not (image > 0.5).any()


def test_the_share_that_is_left_of_a_box():
    window, boxes = (
        [[10, 10, 20, 20]],
        [[[0, 0, 5, 5], [5, 15, 15, 20], [12, 12, 12, 14]]],
    )
    cut, share = crop_boxes(boxes, window, (10, 20))
    assert share.tolist() == [[0, 0.5, 0]]
    assert cut[0, 1].tolist() == [0, 5, 10, 10]
