"""Random changes of signals and features."""

import jax
import numpy as np
import pytest

from tntjax import speech

KEY = jax.random.key(0)


def spans(row):
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def test_spec_augment_hides_bands_and_spans_within_the_length():
    x, lengths = np.ones((64, 100, 30), np.float32), np.full(64, 60)
    settings = {"frequency_width": 5, "time_width": 40, "time_rate": 0.25, "fill": 7.0}
    hidden = np.asarray(speech.spec_augment(KEY, x, lengths, **settings))
    assert np.all(hidden[:, 60:] == 0)
    is_hidden = hidden[:, :60] == 7
    bands, times = is_hidden.all(1), is_hidden.all(2)
    np.testing.assert_array_equal(is_hidden, bands[:, None] | times[..., None])
    assert max(length for row in bands for length in spans(row)) in range(5, 11)
    assert max(length for row in times for length in spans(row)) in range(15, 31)
    assert bands.any(0).all() and times.any(0).all()  # every place at times


@pytest.mark.slow
def test_spec_augment_of_no_masks_changes_nothing():
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    settings = {"num_frequency_masks": 0, "num_time_masks": 0}
    np.testing.assert_array_equal(speech.spec_augment(KEY, x, **settings), x)


@pytest.mark.parametrize("snr", [[3.0, 20.0]])
def test_noise_is_so_many_decibels_below(snr):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3000)).astype(np.float32)
    noise = 9 * rng.normal(size=(2, 700)).astype(np.float32)
    lengths, noise_lengths = np.array([3000, 1000]), np.array([700, 300])
    mixed = speech.add_noise(KEY, x, noise, snr, lengths, noise_lengths)
    for row in range(2):
        n = lengths[row]
        added = np.asarray(mixed)[row, :n] - x[row, :n]
        found = 10 * np.log10(np.mean(x[row, :n] ** 2) / np.mean(added**2))
        assert found == pytest.approx(np.broadcast_to(snr, 2)[row], abs=0.01)


@pytest.mark.slow
def test_noise_starts_again_at_its_end():
    x, noise = np.ones((1, 40), np.float32), np.arange(1.0, 5.0)[None]
    added = np.asarray(speech.add_noise(KEY, x, noise, 0.0) - x)[0].reshape(10, 4)
    np.testing.assert_allclose(added, np.tile(added[0], (10, 1)), atol=1e-5)


@pytest.mark.slow
def test_silence_stays_silent():
    x = np.zeros((1, 8), np.float32)
    assert not speech.add_noise(KEY, x, np.ones((1, 8)), 0.0).any()
    assert speech.add_noise(KEY, x + 1, np.zeros((1, 8)), 0.0).tolist() == [[1.0] * 8]
    assert speech.add_noise(KEY, x + 1, np.ones((1, 8)), 0.0, None, [0]).sum() == 8


def test_a_noise_without_samples_is_silent():
    x = np.ones((1, 8), np.float32)
    assert speech.add_noise(KEY, x, np.zeros((1, 0)), 0.0).tolist() == x.tolist()


@pytest.mark.parametrize("snr", ["3", [1.0, 2.0], [[3.0]]])
def test_decibels_are_one_number_or_one_for_each_signal(snr):
    with pytest.raises(ValueError, match=r"snr of shape \[\] or \[1\]"):
        speech.add_noise(KEY, np.ones((1, 8)), np.ones((1, 8)), snr)


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan, "x"])
def test_a_share_of_the_frames_is_from_0_to_1(rate):
    with pytest.raises(ValueError, match="time_rate from 0 to 1"):
        speech.spec_augment(KEY, np.ones((1, 4, 4)), time_rate=rate)


def test_widths_and_shifts_may_be_larger_than_all():
    x = np.ones((400, 9, 5), np.float32)
    settings = {"frequency_width": 2**40, "time_width": 2**40}
    hidden = np.asarray(speech.spec_augment(KEY, x, **settings)) == 0
    bands, times = hidden.all(1)[:, None], hidden.all(2)[..., None]
    np.testing.assert_array_equal(hidden, bands | times)
    assert hidden.all((1, 2)).any() and not hidden.all()
    moved = np.asarray(speech.time_shift(KEY, x[..., 0], most=2**40))
    assert moved.shape == (400, 9) and not moved.any()


def test_noises_and_signals_are_as_many():
    with pytest.raises(ValueError, match="a noise for each signal"):
        speech.add_noise(KEY, np.ones((2, 8)), np.ones(8), 0.0)


def test_time_shift_moves_within_the_length():
    x = np.arange(1.0, 21.0)[None].repeat(40, 0)
    moved = np.asarray(speech.time_shift(KEY, x, np.full(40, 15), most=3))
    shifts = set()
    for row in moved:
        (places,) = np.nonzero(row)
        shift = int(places[0] - (row[places[0]] - 1))
        expected = np.where((s := np.arange(20) - shift + 1) > 0, s, 0)
        expected = np.where((expected <= 15) & (np.arange(20) < 15), expected, 0)
        np.testing.assert_array_equal(row, expected)
        shifts.add(shift)
    assert shifts == set(range(-3, 4))


def test_dither_has_its_deviation():
    noise = np.asarray(speech.dither(KEY, np.zeros((4, 5000)), scale=0.5))
    assert noise.std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("name", ["num_time_masks", "frequency_width"])
def test_negative_sizes_are_refused(name):
    with pytest.raises(ValueError, match="at least 0"):
        speech.spec_augment(KEY, np.ones((1, 4, 4)), **{name: -1})
    with pytest.raises(ValueError, match="at least 0"):
        speech.time_shift(KEY, np.ones(4), most=-1)
