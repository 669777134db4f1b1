"""RLE is that of COCO: to the last byte what pycocotools writes."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from pycocotools import mask as theirs

from tntjax.vision import (
    polygons_to_rle,
    rle_area,
    rle_decode,
    rle_encode,
    rle_iou,
)

MASKS = st_numpy.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def blobs(number, seed=0, share=0.5):
    """Masks of 42 x 60 pixels with areas that hang together, one empty, one full."""
    random = np.random.default_rng(seed)
    coarse = random.random((number, 6, 10)) < share
    masks = np.kron(coarse, np.ones((1, 7, 6), bool))
    masks[0], masks[-1] = False, True
    return list(masks)


def encode_theirs(mask):
    return theirs.encode(np.asfortranarray(mask.astype(np.uint8)))


@given(MASKS)
def test_bytes_are_those_of_pycocotools_and_back(mask):
    rle = rle_encode(mask)
    assert rle == encode_theirs(mask)
    np.testing.assert_array_equal(rle_decode(rle), mask)
    assert rle_area(rle) == mask.sum() == theirs.area(rle)


def test_large_masks_have_the_same_bytes():
    mask = np.zeros((3000, 4000), bool)  # runs of 24 bits
    mask[100:2900, 17:3900] = True
    mask[5, 5] = True
    assert rle_encode(mask) == encode_theirs(mask)
    np.testing.assert_array_equal(rle_decode(rle_encode(mask)), mask)


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_order_of_memory_and_any_dtype_is_encoded(order):
    mask = np.array(blobs(3)[1], np.float32, order=order) * 0.5
    assert rle_encode(mask) == encode_theirs(mask > 0)


def test_runs_go_down_the_columns():
    mask = np.array([[0, 1], [0, 1], [1, 0]])
    assert rle_decode({"size": [3, 2], "counts": [2, 3, 1]}).astype(int).tolist() == (
        mask.tolist()
    )


def test_lists_of_runs_strings_and_bytes_are_the_same_mask():
    mask = blobs(3)[1]
    rle = rle_encode(mask)
    runs = np.diff(np.flatnonzero(np.diff(mask.T.ravel(), prepend=not mask[0, 0])))
    first = [] if not mask[0, 0] else [0]
    rest = mask.size - runs.sum()
    plain = {"size": list(mask.shape), "counts": [*first, *runs.tolist(), int(rest)]}
    text = json.loads(json.dumps({**rle, "counts": rle["counts"].decode()}))
    for other in (plain, text):
        np.testing.assert_array_equal(rle_decode(other), mask)
        assert rle_area(other) == mask.sum()
        assert rle_iou([other], [rle]).tolist() == [[1.0]]
    packed = theirs.frPyObjects(plain, *mask.shape)
    assert packed["counts"] == rle["counts"]


@given(st.integers(0, 2**32), st.floats(0.02, 0.98))
def test_overlaps_are_those_of_pycocotools_with_crowds(seed, share):
    ours = [rle_encode(mask) for mask in blobs(7, seed, share)]
    others = [rle_encode(mask) for mask in blobs(5, seed + 1, 0.4)]
    crowd = np.random.default_rng(seed).random(5) < 0.4
    expected = theirs.iou(ours, others, crowd.tolist())
    np.testing.assert_array_equal(rle_iou(ours, others, crowd), expected)


def test_overlap_with_a_crowd_is_the_share_of_the_detection():
    small, large = rle_encode([[1, 0, 0, 0]]), rle_encode([[1, 1, 1, 1]])
    assert rle_iou([small], [large]).tolist() == [[0.25]]
    assert rle_iou([small], [large], [True]).tolist() == [[1.0]]


def test_no_masks_have_no_overlaps():
    one = [rle_encode([[1]])]
    assert rle_iou([], one).shape == (0, 1) and rle_iou(one, []).shape == (1, 0)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_polygons_are_filled_by_pycocotools_and_merged():
    polygons = [[1.0, 1.0, 20.3, 2.0, 10.0, 17.8], [30, 5, 39, 5, 39, 12, 30, 12]]
    rle = polygons_to_rle(polygons, 30, 40)
    parts = theirs.decode(theirs.frPyObjects(polygons, 30, 40)).any(-1)
    np.testing.assert_array_equal(rle_decode(rle), parts)


GOOD = rle_encode(blobs(3)[1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rle_decode([[1, 2, 3, 4, 5, 6]]),
            TypeError,
            "For polygons: polygons_",
        ),
        (lambda: rle_decode({"size": [2, 2]}), TypeError, "Expected RLE"),
        (lambda: rle_decode({"size": [2, 2], "counts": [1, 2]}), ValueError, "make 3"),
        (lambda: rle_area({"size": [9, 9], "counts": b"1"}), ValueError, "make 1: it"),
        (lambda: rle_area({"size": [1, 1], "counts": [2, -1]}), ValueError, "damaged"),
        (lambda: rle_area({"size": [1, 1], "counts": b"1\x07"}), ValueError, "damaged"),
        (lambda: rle_area({"size": [1, 1], "counts": b"oo"}), ValueError, "damaged"),
        (
            lambda: rle_area({"size": [1, 1], "counts": b"o" * 30 + b"0"}),
            ValueError,
            "damaged counts",
        ),
        (lambda: rle_decode({"size": [1, 1], "counts": b""}), ValueError, "make 0"),
        (lambda: rle_area({"size": [1, 1], "counts": [2**70]}), ValueError, "damaged"),
        (lambda: rle_area({"size": [2**70, 1], "counts": [1]}), ValueError, "make 1"),
        (  # in 64 bits these make 1, and NumPy would write beyond its memory
            lambda: rle_decode({"size": [1, 1], "counts": [2**62] * 4 + [1]}),
            ValueError,
            f"make {2**64 + 1}: it",
        ),
        (
            lambda: rle_encode(np.zeros((2, 2, 2))),
            ValueError,
            r"mask \[H, W\] of bool or",
        ),
        (lambda: rle_iou([GOOD], [rle_encode([[1]])]), ValueError, "masks of one size"),
        (lambda: rle_iou([GOOD], [GOOD], [1, 0]), ValueError, r"crowd \[1\], got"),
        (lambda: polygons_to_rle([[1, 2, 3, 4]], 9, 9), ValueError, "x2, y2"),
        (lambda: polygons_to_rle([[1, 2, 3, 4, 5, 6, 7]], 9, 9), ValueError, "x2, y2"),
        (lambda: polygons_to_rle([], 9, 9), ValueError, "at least one polygon"),
    ],
)
def test_what_is_damaged_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
