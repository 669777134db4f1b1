"""Perplexity is of the corpus, whatever the batches."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tntjax.text import PerplexityMeter


def test_sums_are_divided_and_not_means():
    meter = PerplexityMeter().add(np.full(100, 2.0)).add(np.full(10, 5.0))
    assert meter.value() == pytest.approx(math.exp(250 / 110), rel=1e-6)
    assert math.exp((2 + 5) / 2) > 33  # what means of means give


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 99))
def test_batches_of_any_lengths_give_the_same(lengths, seed):
    losses = np.random.default_rng(seed).gamma(2.0, 1.0, sum(lengths))
    meter = PerplexityMeter()
    for part in np.split(losses, np.cumsum(lengths)[:-1]):
        row = np.zeros(9)
        row[: len(part)] = part
        row[len(part) :] = np.nan  # padding may be anything
        meter = meter.add(row[None], mask=(np.arange(9) < len(part))[None])
    assert int(meter.n) == len(losses)
    assert meter.value() == pytest.approx(math.exp(losses.mean()), rel=1e-5)


def test_words_and_bytes_divide_the_losses_of_all_tokens():
    """Two sentences: 3 subwords of 2 words with `</s>`, 1 of 1; 9 bytes and 2."""
    loss = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, np.nan]])
    mask = np.array([[True, True, True], [True, False, False]])
    word = PerplexityMeter("word").add(loss, [2, 1], mask=mask)
    assert word.value() == pytest.approx(math.exp(10 / 3)) and int(word.n) == 3
    byte = PerplexityMeter("byte").add(loss, np.int32(11), mask=mask)
    assert math.log2(byte.value()) == pytest.approx(10 / math.log(2) / 11)


def test_a_row_without_tokens_brings_no_words():
    mask = np.array([[True, True], [False, False]])
    meter = PerplexityMeter("word").add(np.ones((2, 2)), [2, 7], mask=mask)
    assert int(meter.n) == 2
    meter = PerplexityMeter("word").add(np.ones((2, 2)), [2, 7], mask=mask[:, 0])
    assert int(meter.n) == 2 and meter.value() == pytest.approx(math.e)


def test_words_may_be_told_at_their_last_token():
    loss, words = np.array([[1.0, 2.0, 3.0]]), np.array([[0, 1, 1]])
    assert PerplexityMeter("word").add(loss, words).value() == pytest.approx(
        math.exp(3)
    )


def test_it_works_compiled():
    @jax.jit
    def run(meter, loss, mask):
        meter = meter.add(loss, mask=mask)
        return meter, meter.value()

    loss = np.array([[1.0, 3.0], [2.0, 9.0]], np.float32)
    mask = np.array([[True, True], [True, False]])
    meter, value = run(PerplexityMeter(), loss, mask)
    assert meter.value() == pytest.approx(math.exp(2))
    assert value.dtype == np.float32 and float(value) == pytest.approx(math.exp(2))
    assert np.isnan(PerplexityMeter().value())


@pytest.mark.parametrize(
    ("unit", "arguments", "told"),
    [
        ("token", ([1.0], [1]), "unless these are tokens"),
        ("word", ([1.0],), "how many words"),
        ("byte", ([[1.0, 2.0]], [1, 2]), "leading axes"),
        ("byte", ([1.0], [-1]), "0 <= n"),
        ("byte", ([[1.0, 2.0]], [[1], [2, 3]]), "parts must have one shape"),
    ],
)
def test_units_that_do_not_fit_are_refused(unit, arguments, told):
    with pytest.raises(ValueError, match=told):
        PerplexityMeter(unit).add(*arguments)


def test_there_are_three_units():
    with pytest.raises(ValueError, match="unit 'token', 'word' or 'byte', got 'char'"):
        PerplexityMeter("char")
