"""Masks, shifts and losses of tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tntjax as tnt
from tntjax import text


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3, 5, 7)).astype(np.float32)
    target = generator.integers(7, size=(3, 5))
    mask = np.arange(5) < np.array([[5], [3], [0]])
    return logits, target, mask


def test_a_loss_is_the_cross_entropy_of_optax(batch):
    logits, target, mask = batch
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    losses = text.token_losses(logits, target)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    masked = text.token_losses(logits, target, mask)
    np.testing.assert_allclose(masked, np.where(mask, expected, 0), rtol=1e-5)
    mean = text.token_loss(logits, target, mask)
    np.testing.assert_allclose(mean, expected[mask].mean(), rtol=1e-5)
    assert text.token_loss(logits, target).shape == ()


def test_smoothing_divides_a_share_among_all(batch):
    logits, target, mask = batch
    smooth = optax.smooth_labels(jax.nn.one_hot(target, 7), 0.1)
    expected = optax.softmax_cross_entropy(logits, smooth)
    found = text.token_losses(logits, target, mask, smoothing=0.1)
    np.testing.assert_allclose(found, np.where(mask, expected, 0), rtol=1e-5)


def test_what_is_masked_has_no_effect_not_even_nan(batch):
    logits, target, mask = batch
    wild = np.where(mask[..., None], logits, np.nan)
    beyond = np.where(mask, target, -5)

    @jax.jit
    def gradient(logits, target):
        return jax.grad(lambda x: text.token_loss(x, target, mask))(logits)

    found = gradient(wild, beyond)
    np.testing.assert_array_equal(found, gradient(logits, target))
    assert (np.asarray(found)[~mask] == 0).all()
    none = text.token_loss(wild, beyond, np.zeros_like(mask))
    assert float(none) == 0


@pytest.mark.parametrize("offset", [-3e4, 3e4])
def test_a_large_offset_of_all_logits_costs_no_digit(batch, offset):
    logits, target, _ = batch
    logits = logits + np.float32(offset)
    exact = logits.astype(np.float64) - np.float64(offset)
    expected = np.log(np.exp(exact).sum(-1))
    expected -= np.take_along_axis(exact, target[..., None], -1)[..., 0]
    found = text.token_losses(logits, target)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_neither_loss_nor_gradient_fills_more_arrays_of_logits():
    logits = jax.ShapeDtypeStruct((4, 64, 4096), np.float32)
    target = jax.ShapeDtypeStruct((4, 64), np.int32)
    function = jax.jit(jax.value_and_grad(text.token_loss))
    memory = function.lower(logits, target).compile().memory_analysis()
    assert memory.temp_size_in_bytes < logits.size * 4 / 10


def test_half_precision_gives_losses_of_single(batch):
    logits, target, mask = batch
    losses = text.token_losses(jnp.asarray(logits, jnp.bfloat16), target, mask[:, 0])
    assert losses.dtype == jnp.float32


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"logits": np.ones((3, 5, 7), int)}, TypeError, "float logits, got int"),
        ({"logits": None}, TypeError, "token_losses needs float logits, got object"),
        ({"target": np.ones((3, 4), int)}, ValueError, r"logits \[..., T, V\] and"),
        ({"target": np.ones((3, 5))}, TypeError, "integers as target"),
        ({"mask": np.ones((3, 5))}, TypeError, "mask must be bool"),
        ({"smoothing": 1.5}, ValueError, r"smoothing in \[0, 1\], got 1.5"),
    ],
)
def test_what_does_not_fit_is_told(batch, changes, error, words):
    job = dict(zip(("logits", "target", "mask"), batch, strict=True)) | changes
    with pytest.raises(error, match=words):
        text.token_loss(**job)


def test_packed_rows_compute_what_their_samples_do_alone():
    """Attention with the two masks, over packed rows and over each sample."""
    generator = np.random.default_rng(0)
    samples = [generator.normal(size=(n, 4)).astype(np.float32) for n in (3, 5, 2, 4)]

    def attend(x, mask):
        scores = jnp.where(mask, x @ x.T, -jnp.inf)
        return jnp.nan_to_num(jax.nn.softmax(scores)) @ x

    for row in tnt.PackDataset(samples, 8):
        segment = row["segment"]
        mask = text.segment_mask(segment) & text.causal_mask(8)
        found = attend(row["input"], mask)
        for number in range(1, segment.max() + 1):
            own = row["input"][segment == number]
            alone = attend(own, text.causal_mask(len(own)))
            np.testing.assert_allclose(found[segment == number], alone, atol=1e-5)
        assert not text.segment_mask(segment)[segment == 0].any()


def test_queries_and_keys_may_have_segments_of_their_own():
    mask = text.segment_mask(np.array([[1, 2]]), np.array([[2, 2, 0]]))
    assert mask.astype(int).tolist() == [[[0, 0, 0], [1, 1, 0]]]
    with pytest.raises(
        ValueError, match=r"segment \[..., T\] and keys \[..., S\], got"
    ):
        text.segment_mask(np.ones((2, 3), int), np.ones((1, 3), int))


def test_a_shift_keeps_the_dtype_and_starts_each_segment():
    ids = np.array([[5, 6, 7, 8]], np.uint8)
    assert text.shift_right(ids, 1).tolist() == [[1, 5, 6, 7]]
    shifted = text.shift_right(ids, 1, segment=np.array([[1, 1, 2, 0]]))
    assert shifted.tolist() == [[1, 5, 1, 1]] and shifted.dtype == np.uint8
    with pytest.raises(ValueError, match=r"segment of the shape \[1, 4\] of ids, got"):
        text.shift_right(ids, segment=[1, 1, 2, 0])
    with pytest.raises(ValueError, match=r"needs ids \[..., T\], got"):
        text.shift_right(3)


@pytest.mark.parametrize("wrong", [-1, -100, 3, 2**40])
def test_a_target_that_is_not_a_token_is_nan_and_not_the_last_one(wrong):
    losses = text.token_losses(np.zeros((1, 2, 3), np.float32), [[0, wrong]])
    assert np.isnan(losses).tolist() == [[False, True]]
    masked = text.token_losses(
        np.zeros((1, 2, 3), np.float32), [[0, wrong]], [[True, False]]
    )
    assert masked[0, 1] == 0


def test_no_tokens_have_no_loss():
    assert text.token_loss(np.zeros((0, 3), np.float32), np.zeros(0, int)) == 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: text.length_mask([1.5], 3), TypeError, "integers as length"),
        (lambda: text.length_mask([2**40], 3), ValueError, "fit int32"),
        (lambda: text.segment_mask([1.0]), TypeError, "integers as segment"),
        (lambda: text.segment_mask([1], 3), ValueError, r"keys \[..., S\]"),
        (lambda: text.shift_right([1.5]), TypeError, "integers as ids"),
        (lambda: text.shift_right([2**40]), ValueError, "as ids that fit int32, got"),
        (lambda: text.shift_right([2**70]), ValueError, "as ids that fit int32, got"),
        (
            lambda: text.mask_tokens(jax.random.key(0), [2**40], 1, 9),
            ValueError,
            "as ids that fit int32, got 1099511627776",
        ),
        (lambda: text.shift_right([1], 1.5), TypeError, "start must be an integer"),
        (lambda: text.shift_right(np.ones(1, np.int8), 300), ValueError, "of int8"),
        (lambda: text.shift_right(np.ones(1, np.uint8), -1), ValueError, "of uint8"),
        (lambda: text.shift_right([1], [1, 2]), ValueError, "one id"),
        (lambda: text.shift_right([1], segment=[1.0]), TypeError, "as segment"),
    ],
)
def test_what_is_not_an_id_is_told(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_first_id_may_be_traced():
    shifted = jax.jit(text.shift_right)(np.array([5, 6], np.int8), 7)
    assert shifted.tolist() == [7, 5] and shifted.dtype == np.int8
    with pytest.raises(TypeError, match="before anything is compiled, got a traced"):
        jax.jit(lambda s: text.token_loss(np.ones((1, 2)), [0], smoothing=s))(0.1)
