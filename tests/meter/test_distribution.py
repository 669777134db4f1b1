"""Histograms and quantiles."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.meter import HistogramMeter, QuantileMeter
from tntjax.meter.parts._count import Count

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_histogram_is_numpys(seed):
    rng = np.random.default_rng(seed)
    values = (rng.integers(-4, 12, 40) / 4).astype(np.float32)  # many on an edge
    n, mask = rng.integers(0, 3, 40), rng.random(40) < 0.8
    meter = HistogramMeter(0.0, 2.0, num_bins=5).add(values, n, mask=mask)
    found = jax.device_get(meter).value()
    repeated = np.repeat(values[mask], n[mask])
    expected, _ = np.histogram(repeated, found.edges)
    assert found.counts.tolist() == expected.tolist()
    assert found.below == (repeated < 0).sum() and found.above == (repeated > 2).sum()
    assert int(meter.n) == repeated.size


def test_the_last_bin_has_both_edges_and_nan_has_none():
    meter = HistogramMeter(0, 1, num_bins=2).add([0.0, 0.5, 1.0, np.nan, np.inf])
    assert meter.value().counts.tolist() == [1, 2]
    assert int(meter.value().above) == 1 and int(meter.n) == 4


@pytest.mark.parametrize("edges", [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_edges_must_be_in_order(edges):
    with pytest.raises(ValueError, match="needs finite low < high, got low="):
        HistogramMeter(*edges)


@settings(max_examples=60)
@given(st.lists(floats, min_size=1, max_size=20))
def test_quantiles_keep_their_bound(values):
    quantiles = (0.0, 0.25, 0.5, 0.9, 1.0)
    padded = np.array(values + [np.nan] * (20 - len(values)), np.float32)
    mask = np.arange(20) < len(values)  # one shape, compiled once
    found = QuantileMeter(quantiles).add(padded, mask=mask).value()
    exact = np.quantile(np.float32(values), quantiles, method="inverted_cdf")
    for (_, number), expected in zip(found.items(), exact, strict=True):
        if abs(expected) < np.finfo(np.float32).smallest_normal:
            assert float(number) == 0.0
        else:
            assert float(number) == pytest.approx(float(expected), rel=2**-8)


@pytest.mark.parametrize("bits", [1, 4, 10])
def test_the_bound_is_that_of_the_bits(bits):
    values = np.random.default_rng(0).lognormal(0, 20, 999).astype(np.float32)
    meter = QuantileMeter((0.1, 0.5, 0.99), bits=bits).add(values).add(-values)
    both = np.concatenate([values, -values])
    errors = [
        float(found) / np.quantile(both, q, method="inverted_cdf") - 1
        for q, found in meter.value().items()
    ]
    assert np.abs(errors).max() <= 2.0 ** -(bits + 1)
    assert meter.cells.low.nbytes + meter.cells.high.nbytes == 4096 * 2**bits


def test_infinities_and_zeros_are_values():
    meter = QuantileMeter((0.0, 0.5, 1.0)).add([-np.inf, -0.0, 0.0, 1e-45, np.inf])
    assert [float(v) for v in meter.value().values()] == [-np.inf, 0.0, np.inf]


def test_nan_is_left_out():
    meter = QuantileMeter().add([np.nan, 4.0])
    assert float(meter.value()[0.5]) == pytest.approx(4, rel=2**-8)
    assert int(meter.n) == 1


@pytest.mark.parametrize("start", [2**24, 2**31 - 1, 2**32 - 1])
def test_counts_are_exact_beyond_32_bits(start):
    for meter in (HistogramMeter(0, 1, num_bins=1), QuantileMeter(bits=1)):
        cells = Count.of(np.full(meter.cells.low.shape, start))
        grown = dataclasses.replace(meter, cells=cells).add([0.5, 0.5])
        counts = jax.device_get(grown.cells).integers()
        assert counts.max() == start + 2
        assert int(grown.n) == start * counts.size + 2


def test_quantiles_are_sorted_and_each_once():
    meter = QuantileMeter([0.9, 0.5, 0.9])
    assert meter.quantiles == (0.5, 0.9) == tuple(meter.value())


def test_quantiles_are_checked():
    with pytest.raises(TypeError, match="needs a tuple of quantiles"):
        QuantileMeter(0.5)
    for bad in ((), (1.5,), (np.nan,)):
        with pytest.raises(ValueError, match="quantiles from 0 to 1, got"):
            QuantileMeter(bad)
    with pytest.raises(TypeError, match="integer bits, got 2.0"):
        QuantileMeter(bits=2.0)
    for bad in (0, 17):
        with pytest.raises(ValueError, match="1 <= bits <= 16, got"):
            QuantileMeter(bits=bad)


@pytest.mark.parametrize("count", [3, 7, 2**26 + 1])
def test_the_largest_of_many(count):
    meter = QuantileMeter((1.0,)).add([1.0, 2.0], np.array([2**24, count]))
    found = jax.jit(lambda meter: meter.value()[1.0])(meter)
    assert meter.value()[1.0] == found == pytest.approx(2, rel=0.005)
