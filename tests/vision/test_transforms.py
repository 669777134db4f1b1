"""What all random transforms keep, over one table of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.vision.photos import photos
from tntjax import vision
from tntjax.vision import compose, example_keys, normalize, random_crop, random_flip

part = functools.partial
RANDOM = {
    "random_flip": random_flip,
    "random_crop": part(random_crop, size=16, pad=3, fill=1),
    "random_resized_crop": part(vision.random_resized_crop, size=12),
    "color_jitter": part(
        vision.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1
    ),
    "gaussian_blur": part(vision.gaussian_blur, sigma=(0.1, 1.5), rate=0.7),
    "random_erasing": part(vision.random_erasing, rate=0.8, fill=1),
    "rand_augment": vision.rand_augment,
    "trivial_augment": vision.trivial_augment,
}
KEY = jax.random.key(7)
QUICK = ("random_flip", "random_crop", "color_jitter")
every_transform = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in RANDOM
    ],
)


def images(dtype=np.uint8):
    small = np.concatenate([photos()[:, at : at + 16, :16] for at in (0, 100, 200)])
    return small if dtype == np.uint8 else (small / 255).astype(dtype)


@every_transform
def test_keeps_dtype_and_batch_and_is_a_function_of_its_key(name):
    found = np.asarray(RANDOM[name](KEY, images()))
    assert found.dtype == np.uint8 and len(found) == 6
    np.testing.assert_array_equal(found, RANDOM[name](KEY, images()))
    assert (found != np.asarray(RANDOM[name](jax.random.key(11), images()))).any()


@every_transform
def test_an_example_depends_on_its_own_key_alone(name):
    keys = jax.random.split(KEY, 6)
    together = RANDOM[name](KEY, images())
    np.testing.assert_array_equal(together, RANDOM[name](keys, images()))
    order = np.array([3, 3, 0, 5, 1, 2])
    moved = RANDOM[name](keys[order], images()[order])
    np.testing.assert_array_equal(moved, together[order])
    same = np.asarray(RANDOM[name](KEY, np.repeat(images()[:1], 6, 0)))
    assert len(np.unique(same.reshape(6, -1), axis=0)) > 1  # not one draw for all


@every_transform
def test_levels_are_the_same_where_jax_has_64_bits(name):
    expected = np.asarray(RANDOM[name](KEY, images()), int)
    jax.config.update("jax_enable_x64", True)
    try:
        found = np.asarray(RANDOM[name](KEY, images()))
    finally:
        jax.config.update("jax_enable_x64", False)
    apart = np.abs(found - expected)
    assert found.dtype == np.uint8 and apart.max() <= 1 and (apart > 0).mean() < 0.01


@pytest.mark.slow
@every_transform
def test_levels_are_the_same_one_by_one_and_compiled(name):
    compiled = np.asarray(RANDOM[name](KEY, images()), int)
    with jax.disable_jit():
        plain = np.asarray(RANDOM[name](KEY, images()), int)
    apart = np.abs(compiled - plain)  # a sum in another order may round otherwise
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01
    nested = jax.jit(lambda key, x: RANDOM[name](key, x))(KEY, images())
    assert np.abs(np.asarray(nested, int) - compiled).max() <= 1


@pytest.mark.slow
@every_transform
def test_floats_of_any_size_and_their_gradients(name):
    whole, half = images(np.float32), images(jnp.bfloat16)
    levels = np.asarray(RANDOM[name](KEY, images()), np.float32) / 255
    found = RANDOM[name](KEY, whole)
    assert found.dtype == jnp.float32 and not found.weak_type
    if "fill" not in getattr(RANDOM[name], "keywords", {}):
        np.testing.assert_allclose(found, levels, atol=1.5 / 255)
    if name in QUICK:
        assert RANDOM[name](KEY, half).dtype == jnp.bfloat16
    grad = jax.grad(lambda x: RANDOM[name](KEY, x).sum())(jnp.asarray(whole))
    assert np.isfinite(grad).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random_resized_crop", "rand_augment"])
def test_is_mapped_over_members(name):
    keys = jax.random.split(KEY, 2)
    found = jax.vmap(lambda key: RANDOM[name](key, images()))(keys)
    for key, member in zip(keys, found, strict=True):
        alone = np.asarray(RANDOM[name](key, images()), int)
        assert np.abs(alone - np.asarray(member, int)).max() <= 1


@every_transform
def test_names_what_it_needs(name):
    with pytest.raises(ValueError, match=rf"{name} needs images \[B, H, W, C\]"):
        RANDOM[name](KEY, images()[0])
    with pytest.raises(TypeError, match=rf"{name} needs uint8 levels or floats"):
        RANDOM[name](KEY, images().astype(np.int32))
    with pytest.raises(TypeError, match=f"{name}: key must be a PRNG key"):
        RANDOM[name](0, images())
    with pytest.raises(ValueError, match=r"one key, or one for each of 6 .*\[3\]"):
        RANDOM[name](jax.random.split(KEY, 3), images())


def test_keys_of_the_old_form_are_taken():
    old = jax.random.PRNGKey(7)
    np.testing.assert_array_equal(
        random_flip(old, images()), random_flip(KEY, images())
    )


def test_flips_some_and_rates_are_kept():
    flips = np.asarray(vision.draw_flips(KEY, 1000, 0.3))
    assert 0.25 < flips.mean() < 0.35
    found = np.asarray(random_flip(KEY, images()))
    chosen = np.asarray(vision.draw_flips(KEY, 6))
    expected = np.where(
        chosen[:, None, None, None], images()[:, :, ::-1], images()
    )  # with the same key the same
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="random_flip needs 0 <= rate <= 1, got 1.5"):
        random_flip(KEY, images(), rate=1.5)


def test_crops_are_parts_of_the_padded_image():
    image = np.arange(1, 17, dtype=np.uint8).reshape(1, 4, 4, 1)
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=9)
    found = random_crop(KEY, np.repeat(image, 300, 0), 4, pad=1, fill=9)
    parts = {
        padded[0, row : row + 4, column : column + 4].tobytes()
        for row in range(3)
        for column in range(3)
    }
    assert {np.asarray(one).tobytes() for one in found} == parts
    with pytest.raises(ValueError, match="needs images of 7 by 7 or more"):
        random_crop(KEY, image, 7, pad=1)
    middle = vision.center_crop(image, (2, 3))
    assert middle[0, :, :, 0].tolist() == [[5, 6, 7], [9, 10, 11]]


def test_erases_a_window_of_the_size_asked_for():
    found = vision.random_erasing(
        KEY, np.ones((50, 20, 20, 1), np.uint8), 0.5, (0.25, 0.25), (1, 1)
    )
    lost = 400 - np.asarray(found).sum((1, 2, 3), dtype=int)
    assert set(lost) == {0, 100} and 10 < (lost == 100).sum() < 40


def test_floats_are_made_and_normalized():
    mean, std = (0.485, 0.456, 0.406), [0.229, 0.224, 0.225]
    found = normalize(images(), mean, std)
    np.testing.assert_allclose(found, (images() / 255 - mean) / std, atol=1e-5)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(vision.to_float(images(np.float32)), images("f4"))
    with pytest.raises(ValueError, match="one for each of 3 channels"):
        normalize(images(), (1, 2), 1)
    with pytest.raises(ValueError, match="deviations that are not 0"):
        normalize(images(), 0, 0)


AUGMENT = compose(
    RANDOM["random_crop"], random_flip, part(normalize, mean=0.5, std=0.5)
)


def test_composed_transforms_are_applied_in_order_with_keys_of_their_own():
    keys = jax.random.split(KEY, 6)
    own = [jax.vmap(jax.random.fold_in, (0, None))(keys, place) for place in (0, 1)]
    by_hand = random_flip(own[1], RANDOM["random_crop"](own[0], images()))
    np.testing.assert_array_equal(AUGMENT(KEY, images()), normalize(by_hand, 0.5, 0.5))
    same = compose(*(step[0] for step in AUGMENT.steps))
    assert same == AUGMENT and hash(same) == hash(AUGMENT)
    assert "random_flip" in repr(AUGMENT) and " at 0x" not in repr(AUGMENT)
    with pytest.raises(TypeError, match="compose needs functions, but entry 1 is 3"):
        compose(random_flip, 3)


def test_keys_of_examples_are_those_of_seed_epoch_and_index():
    keys = jax.random.key_data(example_keys(0, 1, np.arange(4).reshape(2, 2)))
    assert keys.shape[:2] == (2, 2) and len(np.unique(keys.reshape(4, -1), axis=0)) == 4
    again = jax.jit(example_keys)(0, 1, 3)
    np.testing.assert_array_equal(jax.random.key_data(again), keys[1, 1])
    for other in (example_keys(1, 1, 3), example_keys(0, 2, 3)):
        assert (jax.random.key_data(other) != keys[1, 1]).any()
