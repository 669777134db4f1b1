"""BLEU and chrF are sacreBLEU's, and add up."""

import pickle

import numpy as np
import pytest
import sacrebleu

from tests.text.verses import ENGLISH, SPANISH
from tntjax.text import BLEUMeter, ChrFMeter

TEXTS = [
    *ENGLISH,
    *SPANISH,
    "日本語の文。",
    "Straße 12,5 km/h -- “so”!",
    "",
    "A B ",
    "(so) it 'is",
    "x",
]
KINDS = [BLEUMeter, ChrFMeter]


def worse(seed):
    """Translations: words lost, repeated and out of order, marks lost, case changed."""
    rng, found = np.random.default_rng(seed), []
    for text in TEXTS:
        words = [
            word for word in text.split() for _ in range(rng.choice([0, 1, 1, 1, 2]))
        ]
        if len(words) > 3:
            words[1], words[2] = words[2], words[1]
        text = " ".join(words)
        found.append(text.rstrip(".") if rng.random() < 0.3 else text)
    return [text.upper() if rng.random() < 0.1 else text for text in found]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tokenize", ["13a", "none", "intl", "zh", "char"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_bleu_is_that_of_sacrebleu(seed, tokenize, lowercase):
    how, output = {"tokenize": tokenize, "lowercase": lowercase}, worse(seed)
    meter = BLEUMeter(**how).add(output[:5], TEXTS[:5]).add(output[5:], TEXTS[5:])
    expected = sacrebleu.corpus_bleu(output, [TEXTS], force=True, **how)
    assert meter.value() == pytest.approx(expected.score, abs=1e-9)
    assert meter.lengths.integers().tolist() == [expected.sys_len, expected.ref_len]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("word_order", [0, 1, 2])
@pytest.mark.parametrize("lowercase", [False, True])
def test_chrf_is_that_of_sacrebleu(seed, word_order, lowercase):
    output = worse(seed)
    meter = ChrFMeter(word_order, lowercase).add(output, TEXTS)
    metric = sacrebleu.CHRF(word_order=word_order, lowercase=lowercase)
    assert meter.value() == pytest.approx(
        metric.corpus_score(output, [TEXTS]).score, abs=1e-9
    )
    mine, theirs = meter.signature, str(metric.get_signature())
    assert mine.split("|version")[0] == theirs.split("|version")[0]


def test_several_references_are_those_of_sacrebleu():
    output, streams = worse(0), [worse(1), worse(2), TEXTS]
    target = list(zip(*streams, strict=True))
    for kind, score in zip(
        KINDS, (sacrebleu.corpus_bleu, sacrebleu.corpus_chrf), strict=True
    ):
        meter = kind(num_references=3).add(output, target)
        assert meter.value() == pytest.approx(score(output, streams).score, abs=1e-9)
        assert "nrefs:3|" in meter.signature


def test_the_signature_is_sacrebleus_and_names_the_test_set():
    metric = sacrebleu.BLEU()
    metric.corpus_score(["a"], [["a"]])
    assert BLEUMeter().signature == str(metric.get_signature())
    assert "|test:wmt14/full|" in BLEUMeter(test="wmt14/full").signature
    shown = repr(ChrFMeter(test="wmt14/full").add(ENGLISH, ENGLISH))
    assert shown.startswith("ChrFMeter(chrf=100, signature=nrefs:1|case:mixed")


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_monoids(kind):
    output = worse(0)
    whole = kind().add(output, TEXTS)
    parts = [kind().add(output[i::3], TEXTS[i::3]) for i in range(3)]
    merged = parts[2].merge(parts[0]).merge(parts[1])
    assert repr(merged) == repr(whole) and merged.value() == whole.value()
    assert repr(whole.reset().merge(whole)) == repr(whole)
    assert whole.value() == whole.value()  # nothing was smoothed in place
    assert repr(pickle.loads(pickle.dumps(whole))) == repr(whole)
    assert np.isnan(whole.reset().value()) and int(whole.n) == len(TEXTS)
    with pytest.raises(ValueError, match="the same test"):
        whole.merge(kind(test="other"))


@pytest.mark.parametrize("kind", KINDS)
def test_masked_texts_are_left_out(kind):
    mask = np.arange(len(TEXTS)) < 6
    masked = kind().add(worse(0), TEXTS, mask=mask)
    assert masked.value() == kind().add(worse(0)[:6], TEXTS[:6]).value()
    assert int(kind().add(["a"], ["a"], mask=[False]).n) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_text_is_refused(kind):
    with pytest.raises(TypeError, match="lists of texts, got 'a text'"):
        kind().add("a text", ["a text"])
    with pytest.raises(TypeError, match="detokenized"):
        kind().add([["a", "text"]], ["a text"])
    with pytest.raises(ValueError, match="1 texts and 2"):
        kind().add(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="and 1 for each"):
        kind().add(["a"], [["a", "b"]])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        kind(num_references=0)


def test_an_unknown_tokenizer_is_refused():
    with pytest.raises(ValueError, match="needs tokenize '13a', .*, got 'moses'"):
        BLEUMeter("moses")


@pytest.mark.parametrize("kind", KINDS)
def test_texts_may_come_from_a_generator_and_must_be_several(kind):
    meter = kind().add(iter(TEXTS), map(str, TEXTS))
    assert meter.value() == pytest.approx(100)
    for wrong in (None, 3, b"a", {"a"}, {"a": 1}, np.array("a")):
        with pytest.raises(TypeError, match="lists of texts, got"):
            kind().add(wrong, ["a"])
    for wrong in (None, {"a"}, np.array("a")):
        with pytest.raises(TypeError, match="got .* among them"):
            kind().add(["a"], [wrong])
