"""Areas from histograms, and that they know how wrong they are."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter import APMeter, AUCMeter, BinnedAPMeter, BinnedAUCMeter

EXACT = {BinnedAUCMeter: AUCMeter, BinnedAPMeter: APMeter}
BINS, SIZE = 6, 30
every_binned = pytest.mark.parametrize("make", EXACT)
add = {make: jax.jit(lambda m, *batch: m.add(*batch)) for make in EXACT}


def exact(make, scores, targets):
    value = EXACT[make]().add(scores, targets).value()
    return float(np.squeeze(jax.tree.leaves(value)[0]))


def drawn(seed):
    """With ties, of few or of many values, in the bins and out of them."""
    rng = np.random.default_rng(seed)
    spread = rng.choice([0.1, 1.0, 3.0])
    scores = rng.normal(0.5, spread, SIZE).round(rng.integers(0, 3))
    return scores.astype(np.float32), rng.random(SIZE) < rng.choice([0.1, 0.5, 0.9])


@pytest.mark.slow
@every_binned
@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), host=st.booleans())
def test_the_exact_value_lies_within_the_error(make, seed, host):
    scores, targets = drawn(seed)
    meter = add[make](make(BINS), scores, targets)
    if host:
        meter = jax.tree.map(np.asarray, meter)
    value, error = map(float, meter.value())
    wanted = exact(make, scores, targets)
    if np.isnan(wanted):
        assert np.isnan(value) and np.isnan(error)
    else:
        assert abs(value - wanted) <= error


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_bounds_of_the_area_are_reached(seed):
    """By the order within bins that suits the positive examples best, and least."""
    scores, targets = drawn(seed)
    value, error = map(float, BinnedAUCMeter(BINS).add(scores, targets).value())
    edges = np.linspace(0, 1, BINS + 1)[1:-1].astype(np.float32)
    place = np.searchsorted(edges, scores, side="right")
    best = exact(BinnedAUCMeter, place + np.where(targets, 0.5, 0), targets)
    worst = exact(BinnedAUCMeter, place - np.where(targets, 0.5, 0), targets)
    assert np.isnan(value) == np.isnan(best)
    if not np.isnan(value):
        assert value + error == pytest.approx(best, abs=1e-5)
        assert value - error == pytest.approx(worst, abs=1e-5)


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_upper_bound_of_the_average_is_reached(seed):
    scores, targets = drawn(seed)
    value, error = map(float, BinnedAPMeter(BINS).add(scores, targets).value())
    edges = np.linspace(0, 1, BINS + 1)[1:-1].astype(np.float32)
    place = np.searchsorted(edges, scores, side="right")
    best = exact(BinnedAPMeter, place + np.where(targets, 0.5, 0), targets)
    if not np.isnan(value):
        assert value + error == pytest.approx(best, abs=1e-5)
        order = np.argsort(-place + np.where(targets, 0.5, 0), kind="stable")
        worst = exact(BinnedAPMeter, -np.arange(SIZE), targets[order])
        assert value - error <= worst + 1e-6
        assert value - error >= worst - 0.04  # 1/x against its integral


@every_binned
def test_scores_in_bins_of_their_own_are_exact(make):
    scores, targets = [0.1, 0.3, 0.6, 0.9], [0, 1, 0, 1]
    value, error = make(4).add(scores, targets).value()
    assert value == pytest.approx(exact(make, scores, targets), abs=1e-6)
    assert 0 < error < 2e-6  # that of rounding


@every_binned
def test_scores_out_of_range_keep_the_bound(make):
    scores, targets = np.array([5.0, 7.0, -3.0, 0.5]), np.array([1, 0, 1, 0])
    value, error = make(10).add(scores, targets).value()
    assert abs(value - exact(make, scores, targets)) <= error
    assert error > 0.1
    value, error = make(100, low=-10, high=10).add(scores, targets).value()
    assert error < 2e-6


@every_binned
def test_a_score_on_an_edge_counts_above_it(make):
    meter = make(4).add([0.25, 0.5, 0.0, 1.0, 0.24], [1, 1, 0, 0, 0])
    assert meter.counts.integers()[:, 1].tolist() == [0, 1, 1, 0, 0]
    assert meter.counts.integers()[:, 0].tolist() == [2, 0, 0, 1, 0]


@every_binned
def test_a_nan_spoils_all(make):
    meter = make(4).add([0.2, np.nan, 0.9], [0, 1, 1])
    for each in (meter, jax.tree.map(np.asarray, meter)):
        assert all(np.isnan(part) for part in each.value())
    assert int(meter.n) == 3


@every_binned
def test_many_bins_are_close(make):
    rng = np.random.default_rng(0)
    scores = rng.random(20_000).astype(np.float32)
    targets = rng.random(20_000) < scores
    value, error = make().add(scores, targets).value()
    assert abs(value - exact(make, scores, targets)) <= error < 2e-3


@every_binned
def test_arguments_are_checked(make):
    with pytest.raises(ValueError, match="needs bins >= 1, got 0"):
        make(0)
    with pytest.raises(TypeError, match="needs bins to be an integer, got 2.5"):
        make(2.5)
    with pytest.raises(
        ValueError, match="needs finite low < high, got low=1 and high=1"
    ):
        make(low=1, high=1)
    with pytest.raises(ValueError, match="the same bins, got 4 and 5"):
        make(4).merge(make(5))
    with pytest.raises(ValueError, match="the same high, got 1.0 and 2.0"):
        make(4).merge(make(4, high=2.0))
    with pytest.raises(ValueError, match=r"needs output \[B\]"):
        make(4).add([0.1, 0.2], [1])


@every_binned
def test_a_stream_beyond_32_bits(make):
    """Doubled again and again, it measures what it did."""
    meters = [make(bins=4).add([0.9, 0.3, 0.3, 0.1], [1, 1, 0, 0])]
    for _ in range(40):
        meters.append(meters[-1].merge(meters[-1]))
    short, long = meters[20], meters[40]
    assert int(long.n) == 4 * 2**40
    np.testing.assert_allclose(long.value(), short.value(), rtol=1e-5)
    np.testing.assert_allclose(jax.device_put(long).value(), short.value(), rtol=1e-5)
