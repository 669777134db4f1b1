"""Colours and blurs, beside Pillow's and SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from tests.vision.photos import photos
from tntjax.vision import color_jitter, gaussian_blur, grayscale
from tntjax.vision._color import mix_colors

KEY = jax.random.key(1)


def test_grey_is_that_of_pillow():
    found = np.asarray(grayscale(photos(), 3), int)
    expected = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in photos()])
    assert np.abs(found - expected[..., None]).max() <= 1
    with pytest.raises(ValueError, match="1 or 3 channels"):
        grayscale(jnp.zeros((1, 4, 4, 4)))


def test_nothing_to_change_changes_nothing():
    for rate, reach in ((0.0, 0.4), (1.0, 0.0)):
        same = color_jitter(
            KEY, photos(), brightness=reach, saturation=reach, hue=reach, rate=rate
        )
        np.testing.assert_array_equal(same, photos())


def changed(image, **changes):
    names = ("brightness", "contrast", "saturation", "turn")
    defaults = {"turn": 0.0}
    given = [changes.get(name, defaults.get(name, 1.0)) for name in names]
    return np.asarray(mix_colors(jnp.float32(image) / 255, 1.0, jnp.float32(given)))


def test_hue_turns_about_grey_and_comes_back_after_a_circle():
    image = photos()[0, ::8, ::8] // 2 + 64  # far from black and white
    grey = np.asarray(grayscale(np.float32(image[None]) / 255))
    for turn in (0.1, 0.5, -0.25):
        turned = changed(image, turn=turn)
        assert np.abs(turned - image / 255).max() > 0.02
        np.testing.assert_allclose(grayscale(turned[None]), grey, atol=2e-3)
        back = mix_colors(jnp.asarray(turned), 1.0, jnp.float32([1, 1, 1, -turn]))
        np.testing.assert_allclose(back, image / 255, atol=1e-3)
    np.testing.assert_allclose(changed(image, turn=1.0), image / 255, atol=1e-4)


def test_steps_are_the_same_in_any_order():
    image = photos()[0, ::8, ::8] // 2 + 64
    first = changed(255 * changed(image, contrast=0.8), brightness=1.1)
    second = changed(255 * changed(image, brightness=1.1), contrast=0.8)
    both = changed(image, brightness=1.1, contrast=0.8)
    np.testing.assert_allclose(first, both, atol=1e-5)
    np.testing.assert_allclose(second, both, atol=1e-5)


def test_factors_stay_in_their_range_and_differ():
    grey = np.full((200, 2, 2, 1), 0.5, np.float32)
    found = np.asarray(color_jitter(KEY, grey, brightness=0.4))[:, 0, 0, 0] / 0.5
    assert 0.6 <= found.min() < 0.65 and 1.35 < found.max() <= 1.4
    with pytest.raises(ValueError, match="grey images have no saturation"):
        color_jitter(KEY, grey, hue=0.1)
    with pytest.raises(ValueError, match=r"0 <= hue <= 0\.5, got 0\.6"):
        color_jitter(KEY, photos(), hue=0.6)
    with pytest.raises(ValueError, match=r"0 <= brightness, got -1"):
        color_jitter(KEY, photos(), brightness=-1)


def test_blur_is_that_of_scipy():
    image = photos()[:1, :60, :70] / np.float32(255)
    found = gaussian_blur(KEY, image, (1.3, 1.3))
    expected = image
    for axis in (1, 2):
        expected = gaussian_filter1d(expected, 1.3, axis, mode="mirror", radius=4)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(gaussian_blur(KEY, photos(), rate=0), photos())
    with pytest.raises(ValueError, match="reaches 6 pixels to each side"):
        gaussian_blur(KEY, image[:, :5])
    with pytest.raises(ValueError, match="low <= high"):
        gaussian_blur(KEY, image, (2, 1))
