"""Resampling beside exact sines and soxr."""

import jax
import numpy as np
import pytest

from tests.required import needs
from tntjax import speech

RATES = [(48000, 16000), (16000, 48000), (44100, 16000), (16000, 44100), (8000, 16000)]


def tones(rate, highest, seconds=0.25):
    rng, t = np.random.default_rng(0), np.arange(int(rate * seconds)) / rate
    frequency, phase = rng.uniform(50, highest, 40), rng.uniform(0, 6.28, 40)
    return np.sin(2 * np.pi * frequency * t[:, None] + phase).mean(1)


def decibels(error, signal):
    inner = slice(len(error) // 8, -len(error) // 8)  # the ends have no neighbours
    return 10 * np.log10(np.mean(error[inner] ** 2) / np.mean(signal[inner] ** 2))


@pytest.mark.parametrize(("source", "target"), RATES)
def test_tones_of_the_pass_band_stay_as_they_are(source, target):
    highest = 0.9 * min(source, target) / 2
    x, expected = tones(source, highest), tones(target, highest)
    rates = {"source_rate": source, "target_rate": target}
    found, count = speech.resample(x.astype(np.float32), **rates)
    assert found.shape == expected.shape and count == len(expected)
    assert decibels(np.asarray(found) - expected, expected) < -120


@needs("soxr")
@pytest.mark.parametrize(("source", "target"), [RATES[0], RATES[1], RATES[4]])
def test_the_pass_band_is_that_of_soxr(source, target):
    """Of 44.1 kHz soxr is itself 72 dB off the exact tones, by a shift in time."""
    import soxr

    x = tones(source, 0.9 * min(source, target) / 2)
    rates = {"source_rate": source, "target_rate": target}
    found = np.asarray(speech.resample(x.astype(np.float32), **rates).values)
    expected = soxr.resample(x, source, target, quality="HQ")
    assert decibels(found - expected, expected) < -90


@pytest.mark.parametrize("frequency", [8100, 9000, 15000])
def test_what_would_be_folded_is_damped(frequency):
    t = np.arange(12000) / 48000
    x = np.sin(2 * np.pi * frequency * t).astype(np.float32)
    rates = {"source_rate": 48000, "target_rate": 16000}
    found = np.asarray(speech.resample(x, **rates).values)
    assert np.abs(found[500:-500]).max() < 1e-5


def test_ratios_that_would_fill_the_memory_are_refused():
    with pytest.raises(ValueError, match="simple ratio, got 16001/16000.*read_audio"):
        speech.resample(np.zeros(9), source_rate=16000, target_rate=16001)


def test_equal_rates_change_nothing():
    x = np.arange(5.0, dtype=np.float32)
    found = speech.resample(x, 3, source_rate=8000, target_rate=8000)
    assert found.values.tolist() == [0, 1, 2, 0, 0] and found.lengths == 3


def test_lengths_are_rounded_up():
    rates = {"source_rate": 44100, "target_rate": 16000}
    found = speech.resample(np.zeros((3, 900)), [441, 442, 900], **rates)
    assert found.lengths.tolist() == [160, 161, 327]


def test_a_long_signal_takes_little_more_memory_than_itself():
    rates = {"source_rate": 48000, "target_rate": 16000}
    function = jax.jit(lambda wave: speech.resample(wave, **rates).values)
    wave = jax.ShapeDtypeStruct((48000 * 60,), np.float32)
    memory = function.lower(wave).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 3 * 4 * wave.size
