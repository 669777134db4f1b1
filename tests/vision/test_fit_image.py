"""fit_image and fit_boxes: one canvas for images of many sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.vision.pictures import pixels
from tntjax.vision import fit_boxes, fit_image

MODES = ["crop", "pad", "squash"]


def resize(image, size, box=None):
    bilinear = Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize(size, bilinear, box))


def test_crop_is_the_middle_of_pillows_resize():
    image = pixels("china")  # [427, 640, 3]
    expected = resize(image, (224, 224), (106.5, 0, 533.5, 427))
    np.testing.assert_array_equal(fit_image(image, 224), expected)


def test_squash_is_pillows_resize():
    image = pixels("china")
    fitted = fit_image(image, (200, 100), mode="squash")
    np.testing.assert_array_equal(fitted, resize(image, (100, 200)))


def test_pad_keeps_all_and_fills_the_borders():
    image = pixels("china")
    fitted = fit_image(image, 320, mode="pad", fill=9)
    assert fitted.shape == (320, 320, 3)
    inner = resize(image, (320, 214))
    np.testing.assert_array_equal(fitted[53:267], inner)
    assert (fitted[:53] == 9).all() and (fitted[267:] == 9).all()


@pytest.mark.parametrize("mode", MODES)
def test_grey_and_read_only_and_strided_images_are_fitted_too(mode):
    image = pixels("china")[::2, ::3, 1]
    image.setflags(write=False)
    fitted = fit_image(image, (40, 30), mode=mode)
    assert fitted.shape == (40, 30) and fitted.flags.writeable


@pytest.mark.parametrize("mode", MODES)
def test_an_image_that_fits_stays_as_it_is_and_is_copied(mode):
    image = pixels("flower")[:60, :50]
    fitted = fit_image(image, (60, 50), mode=mode)
    np.testing.assert_array_equal(fitted, image)
    assert not np.shares_memory(fitted, image)


@settings(max_examples=40)
@given(st.tuples(*[st.integers(1, 90)] * 4), st.sampled_from(MODES))
def test_any_size_becomes_any_other(sides, mode):
    height, width, *size = sides
    fitted = fit_image(
        np.full((height, width, 3), 77, np.uint8), tuple(size), mode=mode
    )
    assert fitted.shape == (*size, 3)
    assert set(np.unique(fitted)) <= ({0, 77} if mode == "pad" else {77})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(120, 80), (80, 120), 100, (30, 300)])
def test_boxes_move_with_their_image(mode, size):
    image = np.zeros((200, 300, 3), np.uint8)
    left, top, right, bottom = box = (140, 80, 190, 130)
    image[top:bottom, left:right] = 255
    fitted = fit_image(image, size, mode=mode)[..., 0] > 127
    rows, columns = np.flatnonzero(fitted.any(1)), np.flatnonzero(fitted.any(0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    moved = fit_boxes([box], image.shape, size, mode=mode)
    np.testing.assert_allclose(moved[0], seen, atol=1.0)


def test_a_box_that_is_cut_off_has_no_area():
    moved = fit_boxes([[0, 0, 10, 10], [0, 0, 640, 427]], (427, 640), 224)
    assert moved.tolist() == [
        [0, 0, 0, pytest.approx(5.25, abs=0.01)],
        [0, 0, 224, 224],
    ]
    assert moved.dtype == np.float32


def test_no_boxes_stay_none():
    assert fit_boxes(np.zeros((0, 4)), (10, 10), 5).shape == (0, 4)


IMAGE = np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_image(IMAGE / 255, 2), TypeError, "needs uint8, got float64"),
        (lambda: fit_image(IMAGE[..., :2], 2), ValueError, r"needs \[H, W, 3\] or"),
        (lambda: fit_image(IMAGE[:0], 2), ValueError, r"got uint8\[0,4,3\]"),
        (lambda: fit_image(IMAGE[None], 2), ValueError, r"got uint8\[1,4,4,3\]"),
        (lambda: fit_image(IMAGE, 0), ValueError, "size must be at least 1, got 0"),
        (lambda: fit_image(IMAGE, 2.5), TypeError, "size must be an integer"),
        (lambda: fit_image(IMAGE, (1, 2, 3)), ValueError, "height, width"),
        (lambda: fit_image(IMAGE, 2, mode="zoom"), ValueError, "mode 'crop', .*'zoom'"),
        (lambda: fit_boxes([1, 2, 3, 4], (4, 4), 2), ValueError, r"boxes \[n, 4\]"),
        (lambda: fit_boxes([[1, 2, 3, 4]], (4, 4), 2, mode="x"), ValueError, "'x'"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
