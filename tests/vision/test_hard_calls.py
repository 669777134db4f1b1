"""Odd arguments of transforms and boxes: each means one thing, or is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax import vision

KEY = jax.random.key(3)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
BOXES = np.float32([[[1, 2, 4, 6]], [[0, 0, 8, 8]]])
part = functools.partial

SPELLINGS = {
    "mean": (vision.normalize, (0.5, 0.4, 0.25), {"std": 0.5}),
    "size": (vision.resize, (5, 4), {}),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_static_argument_may_be_an_array_or_a_list(name):
    function, value, others = SPELLINGS[name]
    expected = function(IMAGES, **{name: value}, **others)
    spelled = [
        np.array(value),
        jnp.array(value),
        list(value),
        tuple(map(jnp.array, value)),
    ]
    for other in spelled:
        found = function(IMAGES, **{name: other}, **others)
        np.testing.assert_array_equal(found, expected)


def test_an_argument_is_checked_whatever_was_compiled_before():
    vision.resize(IMAGES, (5, 4))  # equal to (5.0, 4.0), and has the same hash
    with pytest.raises(TypeError, match=r"resize: size must be an integer, got 5.0"):
        vision.resize(IMAGES, (5.0, 4.0))
    vision.grayscale(IMAGES, 1)
    with pytest.raises(TypeError, match="num_channels must be an integer, got True"):
        vision.grayscale(IMAGES, True)


REFUSED = {
    "too many": (lambda: vision.random_flip(KEY, IMAGES, 0.5, 3), "random_flip: too"),
    "twice": (
        lambda: vision.random_flip(KEY, IMAGES, images=IMAGES),
        "multiple values",
    ),
    "keyword": (
        lambda: vision.color_jitter(KEY, IMAGES, 0.5),
        "color_jitter: too many",
    ),
    "images None": (
        lambda: vision.to_float(None),
        "images must be an array of real numbers",
    ),
    "images text": (
        lambda: vision.to_float("a"),
        "images must be an array of real numbers",
    ),
    "complex": (
        lambda: vision.to_float(IMAGES.astype(complex)),
        "must be an array of real numbers, got complex128",
    ),
    "boxes to fit": (
        lambda: vision.fit_boxes([["a"] * 4], (8, 8), 4),
        "fit_boxes needs boxes of real numbers, got <U1",
    ),
    "images ragged": (
        lambda: vision.to_float([[1], [1, 2]]),
        "to_float: images: Can't",
    ),
    "masked": (lambda: vision.to_float(np.ma.ones((1, 2, 2, 1))), "a masked array"),
    "no pixels": (lambda: vision.resize(IMAGES[:, :0], 4), "needs images with pixels"),
    "key data": (
        lambda: vision.random_flip(jnp.zeros(3, jnp.uint32), IMAGES),
        "random_flip: key must be a PRNG key",
    ),
    "name of the caller": (
        lambda: vision.random_resized_crop(KEY, IMAGES, 0),
        "random_resized_crop: size must be at least 1",
    ),
    "traced": (
        lambda: jax.jit(lambda rate: vision.random_flip(KEY, IMAGES, rate))(0.5),
        "random_flip: rate must be known when the program is compiled",
    ),
    "mean None": (lambda: vision.normalize(IMAGES, None, 1), "mean must be a number"),
    "mean NaN": (lambda: vision.normalize(IMAGES, np.nan, 1), "a finite mean"),
    "sigma": (
        lambda: vision.gaussian_blur(KEY, IMAGES, (0.1, np.inf)),
        "sigma needs 0.001 <= low <= high",
    ),
    "count": (lambda: vision.draw_flips(KEY, -1), "count must be at least 0, got -1"),
    "alpha": (
        lambda: vision.mixup(KEY, IMAGES, np.eye(4), np.inf),
        "finite alpha above 0, got inf",
    ),
    "mask": (
        lambda: vision.mixup(KEY, IMAGES, np.eye(4), mask=[0.2, 0, 1, 1]),
        "mixup: mask must be bool",
    ),
    "short mask": (
        lambda: vision.cutmix(KEY, IMAGES, np.eye(4), mask=[True]),
        r"cutmix: mask must be \[4\]",
    ),
    "compose": (
        lambda: vision.compose(vision.random_flip)(KEY, {"input": IMAGES}),
        "compose: images must be an array of real numbers",
    ),
    "box": (lambda: vision.box_iou([0, 0, 1, 1], BOXES), r"needs boxes \[..., N, 4\]"),
    "batches": (
        lambda: vision.box_iou(np.zeros((2, 3, 4)), np.zeros((3, 5, 4))),
        "needs batches of one length",
    ),
    "flipped": (lambda: vision.flip_boxes(BOXES, [1, 0], 8), "flipped must be bool"),
    "one flipped": (lambda: vision.flip_boxes(BOXES, [True], 8), r"must be \[2\]"),
    "windows": (
        lambda: vision.crop_boxes(BOXES, [[0, 0, 4]] * 2, 8),
        r"windows \[2, 4\], one for each image",
    ),
    "labels": (
        lambda: vision.nms(np.zeros((3, 4)), np.ones(3), 2, labels=[1]),
        r"nms needs labels \[3\]",
    ),
    "threshold": (
        lambda: vision.nms(np.zeros((3, 4)), np.ones(3), 2, np.nan),
        "0 <= threshold <= 1, got nan",
    ),
    "index": (lambda: vision.example_keys(0, 0, 1.5), "an integer index, got"),
    "epoch": (lambda: vision.example_keys(0, -1, 1), r"0 <= epoch < 2\*\*32, got -1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_told(name):
    call, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


FILLED = {
    "random_crop": part(vision.random_crop, size=12, pad=4),
    "random_erasing": part(vision.random_erasing, rate=1.0),
    "rand_augment": vision.rand_augment,
    "trivial_augment": vision.trivial_augment,
}


@pytest.mark.parametrize("name", FILLED)
@pytest.mark.parametrize("fill", [300, -1, 0.5, np.nan, (1, 2), "a", None])
def test_a_fill_is_a_level_of_the_images(name, fill):
    with pytest.raises((TypeError, ValueError), match=f"{name}.* fill"):
        FILLED[name](KEY, IMAGES, fill=fill)


def test_a_fill_may_have_a_number_for_each_channel():
    found = np.asarray(FILLED["random_crop"](KEY, IMAGES, fill=(7, 8, 9)))
    outside = (found == [7, 8, 9]).all(-1)
    assert (
        outside.sum() >= 4 * (12 * 12 - 8 * 8) and outside.reshape(4, -1).any(1).all()
    )
    erased = FILLED["random_erasing"](KEY, IMAGES, fill=(7, 8, 9))
    changed = (np.asarray(erased) != IMAGES).any(-1)
    assert (np.asarray(erased)[changed] == [7, 8, 9]).all() and changed.any()


def test_an_image_without_room_for_a_window_is_not_erased():
    found = vision.random_erasing(KEY, IMAGES, 1.0, (0.001, 0.001))  # below a pixel
    np.testing.assert_array_equal(found, IMAGES)


EMPTY = {
    "resize": lambda x: vision.resize(x, 5),
    "random_resized_crop": lambda x: vision.random_resized_crop(KEY, x, 5),
    "rand_augment": lambda x: vision.rand_augment(KEY, x),
    "random_erasing": lambda x: vision.random_erasing(KEY, x),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_batch_of_none_stays_one(name):
    found = EMPTY[name](IMAGES[:0])
    size = 5 if "resize" in name else 8
    assert found.shape == (0, size, size, 3) and found.dtype == np.uint8


@pytest.mark.slow
def test_augmented_floats_that_are_not_numbers_stay_so():
    images = np.full((2, 8, 8, 3), 0.5, np.float32)
    images[0] = np.nan
    found = np.asarray(vision.rand_augment(KEY, images))
    assert np.isnan(found[0]).any() and np.isfinite(found[1]).all()


def test_narrow_floats_are_widened():
    small = jnp.asarray(IMAGES[:1] / 255, jnp.float8_e4m3fn)
    assert vision.to_float(small).dtype == jnp.float32


def test_boxes_of_images_of_several_widths_and_of_empty_windows():
    found = vision.flip_boxes(BOXES, [True, True], [10, 20])
    assert found.tolist() == [[[6, 2, 9, 6]], [[12, 0, 20, 8]]]
    cut, share = vision.crop_boxes(BOXES, [[2, 2, 2, 2]] * 2, 8)
    assert share.tolist() == [[0], [0]] and np.isfinite(cut).all()


def test_wide_integers_are_not_cut():
    scores = np.array([2**60, 1, 2**61])
    kept = vision.nms([[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]], scores, 3)
    assert kept.index.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda n: vision.resize(IMAGES, n),
        lambda n: vision.grayscale(IMAGES, num_channels=n),
        lambda n: vision.random_crop(KEY, IMAGES, 4, pad=n),
        lambda n: vision.nms(BOXES[0], np.float32([1]), count=n),
    ],
)
@pytest.mark.parametrize("size", [2**31, 2**64])
def test_sizes_of_more_bits_than_axes_have_are_refused(call, size):
    with pytest.raises(ValueError, match=rf"must be less than 2\*\*3[01], got {size}"):
        call(size)
