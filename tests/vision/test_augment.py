"""RandAugment and TrivialAugment: each operation is that of Pillow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.vision.photos import photos
from tntjax.vision import _tables, rand_augment, trivial_augment
from tntjax.vision._augment import OPERATIONS, apply_operations

REACH = dict(
    zip(OPERATIONS, [0, 0.3, 0.3, 30, 20, 30, *[0.9] * 4, 4, 1, 0, 0], strict=True)
)
BILINEAR = Image.Resampling.BILINEAR
WIDTH, HEIGHT = 80, 60


def images():
    return photos()[:, 100:400:5, :640:8]  # [2, 60, 80, 3]


def transform(*numbers):
    affine = Image.Transform.AFFINE
    return lambda image: image.transform(image.size, affine, numbers, BILINEAR)


def enhance(kind, strength):
    return lambda image: kind(image).enhance(1 + 0.9 * strength)


MIDDLE = (WIDTH - 1) / 2 + 0.5, (HEIGHT - 1) / 2 + 0.5
PILLOW = {
    "identity": lambda s: lambda image: image,
    "shear_x": lambda s: transform(1, 0.3 * s, -0.3 * s * MIDDLE[1], 0, 1, 0),
    "shear_y": lambda s: transform(1, 0, 0, 0.3 * s, 1, -0.3 * s * MIDDLE[0]),
    "translate_x": lambda s: transform(1, 0, 30 * s, 0, 1, 0),
    "translate_y": lambda s: transform(1, 0, 0, 0, 1, 20 * s),
    "rotate": lambda s: lambda image: image.rotate(-30 * s, BILINEAR),
    "brightness": lambda s: enhance(ImageEnhance.Brightness, s),
    "saturation": lambda s: enhance(ImageEnhance.Color, s),
    "contrast": lambda s: enhance(ImageEnhance.Contrast, s),
    "sharpness": lambda s: enhance(ImageEnhance.Sharpness, s),
    "posterize": lambda s: lambda image: ImageOps.posterize(image, 8 - round(4 * s)),
    "solarize": lambda s: lambda image: ImageOps.solarize(image, 255 * (1 - s)),
    "stretch": lambda s: ImageOps.autocontrast,
    "equalize": lambda s: ImageOps.equalize,
}


def applied(operations, signed, given=None):
    given = images() if given is None else given
    places = np.array([[OPERATIONS.index(name) for name in operations]] * len(given))
    strength = signed * np.float32([[REACH[name] for name in operations]] * len(given))
    fill = jnp.zeros(1, jnp.uint8)
    return np.asarray(apply_operations(given, places, strength, fill), int)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("signed", [0.5, -0.5])
def test_each_operation_is_that_of_pillow(name, signed):
    if name in ("posterize", "solarize"):
        signed = abs(signed)
    found, expected = applied([name], signed), pillow(PILLOW[name](signed))
    apart = np.abs(found - expected).max(-1)  # [B, H, W]
    inside = np.s_[:, 15:-15, 20:-20] if "shear" in name or name == "rotate" else ...
    assert apart[inside].max() <= 1
    if name != "identity":
        assert (found != images()).mean() > 0.02


def pillow(function):
    return np.stack([np.asarray(function(Image.fromarray(x))) for x in images()], 0)


@pytest.mark.slow
def test_tables_are_applied_one_after_the_other():
    found = applied(["posterize", "equalize"], 1.0)
    expected = pillow(lambda x: ImageOps.equalize(ImageOps.posterize(x, 4)))
    np.testing.assert_array_equal(found, expected)
    found = applied(["solarize", "stretch"], 0.6)
    stretched = pillow(lambda x: ImageOps.autocontrast(ImageOps.solarize(x, 255 * 0.4)))
    assert np.abs(found - stretched).max() <= 1


@pytest.mark.slow
def test_maps_are_applied_one_after_the_other():
    there = applied(["translate_x", "rotate"], 0.4)
    rotated = [x.astype(np.uint8) for x in applied(["translate_x"], 0.4)]
    expected = applied(["rotate"], 0.4, np.stack(rotated))
    middle = np.s_[:, 20:-20, 30:-30]
    assert np.abs(there[middle] - expected[middle]).max() <= 1


def test_a_channel_of_one_level_stays():
    flat = np.full((1, 8, 8, 3), 77, np.uint8)
    for name in ("stretch", "equalize"):
        np.testing.assert_array_equal(applied([name], 1.0, flat), flat)
    counts = _tables.count_levels(jnp.full((2, 2, 1), 5))
    assert counts[0, 5] == 4 and counts.sum() == 4


@pytest.mark.slow
def test_grey_images_and_strengths_of_nothing():
    grey = images()[..., :1]
    assert rand_augment(jax.random.key(0), grey).shape == grey.shape
    found = rand_augment(jax.random.key(2), images(), 1, 0)
    drawn = {tuple(x.ravel()[:1]) for x in np.asarray(found)}
    assert drawn  # of magnitude 0 only tables of the histogram change anything
    tiny = np.zeros((1, 2, 2, 3), np.uint8)
    assert trivial_augment(jax.random.key(0), tiny).shape == tiny.shape


@pytest.mark.slow
def test_every_operation_is_drawn():
    many = np.repeat(images()[:1, ::4, ::4], 400, 0)
    found = np.asarray(trivial_augment(jax.random.key(0), many))
    unchanged = (found == many).all((1, 2, 3)).mean()
    assert 0.05 < unchanged < 0.35  # identity, and some of small magnitude
    assert len(np.unique(found.reshape(400, -1), axis=0)) > 150


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: rand_augment(jax.random.key(0), x, 0), "num_operations must be at"),
        (
            lambda x: rand_augment(jax.random.key(0), x, 2, 31),
            "magnitude <= 30, got 31",
        ),
        (lambda x: rand_augment(jax.random.key(0), x[..., :2]), "1 or 3 channels"),
        (lambda x: trivial_augment(jax.random.key(0), x[..., :2]), "1 or 3 channels"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(images())
