"""Sizes, beside Pillow's: real photographs, within one grey level."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests.vision.photos import photos
from tntjax.vision import _resize, crop_resize, draw_windows, random_resized_crop
from tntjax.vision import resize as resized


def pillow(images, size, boxes=None):
    boxes = [None] * len(images) if boxes is None else [tuple(box) for box in boxes]
    method = Image.Resampling.BILINEAR
    return np.stack(
        [
            np.asarray(Image.fromarray(image).resize(size[::-1], method, box=box))
            for image, box in zip(images, boxes, strict=True)
        ]
    )


def levels_apart(found, expected):
    return np.abs(np.asarray(found, int) - expected.astype(int)).max()


@pytest.mark.parametrize(
    "size",
    [
        (224, 224),
        *(pytest.param(s, marks=pytest.mark.slow) for s in ((500, 700), (64, 900))),
    ],
)
def test_resize_is_within_a_level_of_pillow(size):
    assert levels_apart(resized(photos(), size), pillow(photos(), size)) <= 1


BOXES = np.float32([[10.5, 3.25, 400, 380], [600, 0, 640, 427]])


@pytest.mark.parametrize("resize", [_resize._resize_dense, _resize._resize_banded])
@pytest.mark.parametrize(
    "size", [(33, 17), pytest.param((96, 130), marks=pytest.mark.slow)]
)
def test_parts_are_within_a_level_of_pillow_on_any_device(resize, size):
    images, boxes = jnp.asarray(photos()), jnp.asarray(BOXES)
    found = resize(images, boxes[:, :2], boxes[:, 2:], size)
    assert levels_apart(found, pillow(photos(), size, BOXES)) <= 1


def test_a_random_part_is_within_a_level_of_pillow():
    key = jax.random.key(3)
    found = random_resized_crop(key, photos(), 128)
    windows = np.asarray(draw_windows(key, 2, (427, 640)))
    assert levels_apart(found, pillow(photos(), (128, 128), windows)) <= 1
    assert not (windows == np.rint(windows[::-1])).all()


def test_boxes_may_be_traced_and_are_cut_at_the_edges():
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    crop = jax.jit(lambda box: crop_resize(image, box, 2))
    inside, beyond = jnp.asarray([[2.0, 2, 4, 4]]), jnp.asarray([[2.0, 2, 9, 9]])
    np.testing.assert_array_equal(crop(inside), crop(beyond))
    assert np.isfinite(crop(jnp.zeros((1, 4)))).all()  # of an empty one


@pytest.mark.slow
def test_gradients_pass_through_and_are_the_weights():
    image = jnp.ones((1, 6, 6, 1))
    grad = jax.grad(lambda image: crop_resize(image, [[0, 0, 6, 6]], 3).sum())(image)
    assert float(grad.sum()) == pytest.approx(9)
    slope = jax.grad(lambda box: crop_resize(image, box, 3).sum())
    assert np.isfinite(slope(jnp.asarray([[1.0, 1, 4, 4]]))).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nearest", "cubic", "lanczos3"])
def test_other_methods_are_those_of_jax(method):
    image = photos()[:1, :40, :50]
    found = resized(image, (20, 30), method)
    exact = jax.image.resize(np.float32(image), (1, 20, 30, 3), method)
    assert levels_apart(found, np.clip(np.rint(exact), 0, 255)) <= 1
    assert found.dtype == jnp.uint8


def test_many_channels_and_half_floats_keep_their_dtype():
    image = np.random.default_rng(0).random((1, 8, 8, 7)).astype(jnp.bfloat16)
    found = resized(image, 4)
    assert (found.shape, found.dtype) == ((1, 4, 4, 7), jnp.bfloat16)
    expected = np.float32(image).reshape(1, 4, 2, 4, 2, 7).mean((2, 4))
    assert np.abs(np.float32(found) - expected).mean() < 0.15


def drawn_one_by_one(height, width):
    """The mean share of windows that are drawn anew until they fit."""
    rng, shares = np.random.default_rng(0), []
    while len(shares) < 3000:
        area, ratio = rng.uniform(0.08, 1), np.exp(rng.uniform(*np.log([3 / 4, 4 / 3])))
        for _ in range(9):
            wide, high = np.sqrt(height * width * area * np.array([ratio, 1 / ratio]))
            if wide <= width and high <= height:
                break
            area = rng.uniform(0.08, 1)
            ratio = np.exp(rng.uniform(*np.log([3 / 4, 4 / 3])))
        shares.append(area)
    return np.mean(shares)


def test_windows_have_the_areas_and_ratios_that_are_asked_for():
    windows = np.asarray(draw_windows(jax.random.key(0), 2000, (200, 300)))
    width, height = (windows[:, 2:] - windows[:, :2]).T
    share = width * height / (200 * 300)
    assert 0.075 < share.min() < 0.1 and 0.85 < share.max() < 0.9  # 4:3 of 3:2
    assert share.mean() == pytest.approx(drawn_one_by_one(200, 300), abs=0.015)
    assert 0.73 < (width / height).min() and (width / height).max() < 1.36
    assert (windows >= 0).all() and (windows <= [300, 200, 300, 200]).all()
    assert windows[:, 0].max() > 200 and windows[:, 1].max() > 100


def test_the_middle_is_taken_where_no_window_fits():
    windows = draw_windows(jax.random.key(0), 1, (10, 100), (1, 1), (1, 2))
    assert windows.tolist() == [[40, 0, 60, 10]]
    windows = draw_windows(jax.random.key(0), 1, (100, 10), (1, 1), (1, 2))
    assert windows.tolist() == [[0, 45, 10, 55]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: resized(x, 0), "size must be at least 1, got 0"),
        (lambda x: resized(x, (1, 2, 3)), r"size \(height, width\)"),
        (lambda x: resized(x, 2, "bilinear"), "'linear', 'nearest'.*got 'bilinear'"),
        (lambda x: resized(x[0], 2), r"\[B, H, W, C\].*image\[None\]"),
        (lambda x: crop_resize(x, [[0, 0, 1, 1]] * 2, 2), r"boxes \[1, 4\]"),
        (lambda x: draw_windows(jax.random.key(0), 1, 8, (0, 2)), "<= 1"),
        (lambda x: draw_windows(jax.random.key(0), 1, 8, 0.5), "two numbers"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.zeros((1, 4, 4, 3)))


def test_integers_that_are_no_levels_are_refused():
    with pytest.raises(TypeError, match="uint8 levels or floats, got int32"):
        resized(np.zeros((1, 4, 4, 3), np.int32), 2)
