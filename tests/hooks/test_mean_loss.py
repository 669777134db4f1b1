"""The mean loss that plugins share: a mean in one array of four words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.hooks._mean_loss import MeanLoss

LOSSES = np.random.default_rng(0).normal(size=(20, 32)).astype(np.float32) * 1e3


def add_all(meter, batches):
    for losses in batches:
        meter = meter.add(losses)
    return meter


def test_it_is_the_mean_of_all_losses_compiled_or_not():
    compiled = jax.jit(lambda meter, losses: add_all(meter, losses))
    expected = pytest.approx(LOSSES.astype(np.float64).mean(), abs=1e-4)
    assert add_all(MeanLoss(), LOSSES).value() == expected
    assert compiled(MeanLoss(), LOSSES).value() == expected


def test_it_carries_one_array_and_keeps_its_form():
    before, after = MeanLoss(), MeanLoss().add(LOSSES[0])
    for meter in (before, after, after.reset(), after.merge(before)):
        (words,) = jax.tree.leaves(meter)
        assert words.shape == (4,) and words.dtype == np.uint32


def test_nothing_counted_is_nan_and_a_reset_counts_nothing():
    assert np.isnan(MeanLoss().value())
    assert np.isnan(add_all(MeanLoss(), LOSSES).reset().value())


def test_small_losses_beside_a_large_one_are_kept():
    meter = add_all(MeanLoss(), [np.float32(2**24), *[np.float32(1)] * 1000])
    meter = meter.add(np.float32(-(2**24)))
    assert meter.value() * 1002 == pytest.approx(1000)


def test_a_masked_loss_may_be_anything():
    losses, mask = np.float32([1, np.nan, 3]), np.array([True, False, True])
    assert MeanLoss().add(losses, mask=mask).value() == 2
    assert np.isnan(MeanLoss().add(losses).value())
    assert MeanLoss().add(np.float32([1, np.inf])).value() == np.inf


@pytest.mark.parametrize("convert", [np.asarray, jnp.asarray])
def test_merged_ones_count_what_both_have_seen(convert):
    halves = (add_all(MeanLoss(), convert(part)) for part in (LOSSES[:5], LOSSES[5:]))
    one, other = (jax.tree.map(convert, half) for half in halves)
    assert one.merge(other).value() == pytest.approx(LOSSES.mean(), abs=1e-4)
    with pytest.raises(TypeError, match="merge needs another MeanLoss"):
        one.merge(3)


def test_of_many_members_it_shows_a_mean_for_each():
    stack = jax.vmap(MeanLoss().add)(jnp.asarray(LOSSES))
    np.testing.assert_allclose(stack.value(), LOSSES.mean(1), atol=1e-3)
