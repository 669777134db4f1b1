"""Images and targets that are mixed with those of a neighbour."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.vision import cutmix, mixup

KEY = jax.random.key(5)


def batch():
    images = np.arange(1.0, 5)[:, None, None, None] * np.ones((4, 10, 12, 3))
    return images.astype(np.float32), np.eye(4, dtype=np.float32)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_images_and_targets_are_mixed_by_the_same_shares(mix):
    images, targets = mix(KEY, *batch(), alpha=1.0)
    own = np.diag(targets)  # the share of the image itself
    assert len(np.unique(own)) == 4 and (own > 0).all() and (own < 1).all()
    expected = own[:, None] * np.eye(4) + (1 - own[:, None]) * np.eye(4)[[3, 0, 1, 2]]
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    values, before = np.arange(1.0, 5), np.array([4.0, 1, 2, 3])
    mean = own * values + (1 - own) * before
    np.testing.assert_allclose(images.mean((1, 2, 3)), mean, rtol=1e-5)


def test_cutmix_pastes_a_rectangle():
    images, _ = cutmix(KEY, *batch(), alpha=1.0)
    pasted = np.asarray(images[0, ..., 0] == 4)
    rows, columns = np.flatnonzero(pasted.any(1)), np.flatnonzero(pasted.any(0))
    assert pasted.sum() == len(rows) * len(columns) > 0


@pytest.mark.slow
@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_what_fills_a_batch_up_never_leaks(mix):
    images, targets = batch()
    images[3], targets[3] = np.nan, np.nan
    mask = np.array([True, True, True, False])
    mixed, shares = mix(KEY, images, targets, mask=mask)
    assert np.isfinite(mixed[:3]).all() and np.isfinite(shares[:3]).all()
    np.testing.assert_array_equal(mixed[0], images[0])  # its neighbour is the filling

    def total(images):
        mixed, _ = mix(KEY, images, targets, mask=mask)
        return jnp.where(mask, mixed.sum((1, 2, 3)), 0).sum()

    assert np.isfinite(jax.grad(total)(jnp.asarray(images))[:3]).all()


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_class_numbers_and_bad_alphas_are_refused(mix):
    images, targets = batch()
    with pytest.raises(ValueError, match=r"shares of the classes.*one_hot\(targets"):
        mix(KEY, images, targets.argmax(-1))
    with pytest.raises(ValueError, match="alpha above 0, got 0"):
        mix(KEY, images, targets, 0.0)
