"""Meters of error rates beside jiwer, and edits beside rapidfuzz."""

import functools
import math
import pickle
import unicodedata

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tntjax as tnt
from tests.required import needs
from tntjax.speech import CERMeter, PERMeter, WERMeter
from tntjax.speech._errors import count_edits, find_edit_counter
from tntjax.text import edit_distance

WORDS = st.lists(st.sampled_from(["a", "b", "cat", "dog"]), max_size=8).map(" ".join)
TEXTS = st.text(st.sampled_from("abc "), max_size=10)


@needs("jiwer")
@given(st.lists(st.tuples(WORDS, WORDS.filter(bool)), min_size=1, max_size=5))
def test_the_word_error_rate_is_jiwers(pairs):
    import jiwer

    output, target = map(list, zip(*pairs, strict=True))
    expected = 100 * jiwer.wer(target, output)
    assert WERMeter().add(output, target).value() == pytest.approx(expected)


@needs("jiwer")
def test_a_no_break_space_is_part_of_a_word():
    import jiwer

    pair = ["10\xa0km to go"], ["10 km to\u2028go"]
    expected = 100 * jiwer.wer(pair[1], pair[0])
    assert WERMeter().add(*pair).value() == pytest.approx(expected) == 100


@needs("jiwer")
def test_the_character_error_rate_is_jiwers():
    import jiwer

    output, target = ["the cat sat", "a"], ["that cat sits", "an"]
    expected = 100 * jiwer.cer(target, output)
    assert CERMeter().add(output, target).value() == pytest.approx(expected)


@needs("rapidfuzz")
@given(TEXTS, TEXTS)
def test_edits_are_those_of_rapidfuzz(output, target):
    from rapidfuzz.distance import Levenshtein

    expected = Levenshtein.distance(output, target)
    assert find_edit_counter()(output, target) == expected
    assert count_edits(output, target) == expected


def test_edits_on_the_device_are_those_on_the_host():
    rng = np.random.default_rng(0)
    ids, lengths = rng.integers(0, 3, (2, 32, 9)), rng.integers(0, 10, (2, 32))
    found = edit_distance(*ids, *lengths)
    outputs, targets = (
        [row[:count].tolist() for row, count in zip(part, counts, strict=True)]
        for part, counts in zip(ids, lengths, strict=True)
    )
    pairs = zip(outputs, targets, strict=True)
    assert found.tolist() == [count_edits(*pair) for pair in pairs]


def test_long_utterances_count_more():
    output, target = ["a b c d e f", "x"], ["a b c d e f", "y"]
    assert WERMeter().add(output, target).value() == pytest.approx(100 / 7)


def test_halves_merge_to_the_whole():
    output, target = ["a b", "c", "", "d e"], ["a", "c d", "f", ""]
    whole = WERMeter().add(output, target)
    halves = [WERMeter().add(output[s], target[s]) for s in (slice(2), slice(2, 4))]
    merged = halves[0].merge(halves[1])
    assert repr(merged) == repr(whole) and int(whole.edits) == 5
    assert repr(whole.reset().merge(merged)) == repr(whole)
    assert repr(pickle.loads(pickle.dumps(whole))) == repr(whole)
    assert jax.tree.structure(whole) == jax.tree.structure(WERMeter())


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [("", "", 0.0), ("a b", "", math.inf), ("", "a b", 100.0)],
)
def test_empty_targets_have_a_rate(output, target, expected):
    for meter in (WERMeter(), CERMeter(), PERMeter(fold=61)):
        text = output.replace("a", "aa"), target.replace("a", "aa")
        assert meter.add(*text).value() == expected


def test_nothing_counted_is_not_a_number():
    assert math.isnan(WERMeter().value())
    assert math.isnan(WERMeter().add([], []).value())
    assert math.isnan(WERMeter().add(["a"], ["b"], mask=[False]).value())


def test_a_mask_leaves_pairs_out():
    meter = WERMeter().add(["a", "b"], ["a", "c"], mask=np.array([True, False]))
    assert meter.value() == 0 and int(meter.n) == 1


def test_the_signature_names_the_normalizer():
    meter = WERMeter(str.lower).add("A b", "a B")
    assert meter.value() == 0
    assert meter.signature == "WER|words|normalize:str.lower"
    assert CERMeter(normalize=str.lower).add("A", "a").value() == 0
    with pytest.raises(ValueError, match="same normalize"):
        meter.merge(WERMeter())


def test_signatures_tell_normalizers_apart():
    nfc = functools.partial(unicodedata.normalize, "NFC")
    signature = CERMeter(normalize=nfc).signature
    assert signature == "CER|characters|normalize:normalize('NFC')"
    assert CERMeter().add("e\u0301", "\u00e9").value() == 200
    assert CERMeter(normalize=nfc).add("e\u0301", "\u00e9").value() == 0


def test_arguments_are_checked_before_anything_is_counted():
    for meter in (WERMeter, CERMeter):
        with pytest.raises(TypeError, match="normalize is 'lower'"):
            meter(normalize="lower")
        with pytest.raises(TypeError, match="normalize must return text, got None"):
            meter(normalize=lambda text: None).add("a", "b")
    with pytest.raises(ValueError, match="61, 48 or 39, got 40"):
        PERMeter(40)


def test_phones_are_folded_before_they_are_compared():
    output = [["sil", "ih", "sil", "sh", "sil"]]
    target = [["h#", "ix", "q", "tcl", "zh", "pau"]]
    assert PERMeter().add(output, target).value() == 0
    assert int(PERMeter().add(output, target).length) == 5
    assert PERMeter().signature == "PER|phones|fold:39"


def test_they_are_meters_of_the_package():
    assert tnt.WERMeter is WERMeter and isinstance(WERMeter(), tnt.Meter)


@pytest.mark.parametrize(
    ("output", "target", "mask", "error", "text"),
    [
        ("a", ["a"], None, TypeError, "two strings or two lists"),
        (["a"], ["a", "b"], None, ValueError, "1 texts and 2 times"),
        (["a"], ["a"], [1], TypeError, "mask must be bool"),
        (None, None, None, TypeError, "two strings or two lists"),
        ({"a": 1}, {"a": 1}, None, TypeError, "two strings or two lists"),
        (b"a b", b"a b", None, TypeError, "two strings or two lists"),
        ([["a", "b"]], ["a b"], None, TypeError, r"got \['a', 'b'\] among them"),
        ([None], ["a"], None, TypeError, "got None among them"),
        (np.array("a"), np.array("a"), None, TypeError, "two strings or two lists"),
    ],
)
def test_bad_arguments_are_refused(output, target, mask, error, text):
    with pytest.raises(error, match=text):
        WERMeter().add(output, target, mask=mask)
