"""Tokenizers of other packages, in one form: text to int32 and back."""

import json
import os
import pickle
import sys

import numpy as np
import pytest

from tests.text.verses import ENGLISH, SPANISH
from tntjax.text import (
    HuggingFaceTokenizer,
    MosesTokenizer,
    SentencePiece,
    train_sentence_piece,
)

TEXTS = [*ENGLISH, *SPANISH]


def need(name):
    if not os.environ.get("TNTJAX_REQUIRE_EXTRAS"):
        pytest.importorskip(name)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    need("sentencepiece")
    path = tmp_path_factory.mktemp("model") / "x.model"
    train_sentence_piece(TEXTS, path, 80, model_type="bpe")
    return path


def test_sentence_piece_is_trained_and_encodes(model):
    piece = SentencePiece(model)
    assert len(piece) == 80 and "80 ids" in repr(piece)
    for text in TEXTS:
        ids = piece.encode(text)
        assert ids.dtype == np.int32 and piece.decode(ids) == text
    assert [piece[name] for name in ("<pad>", "<unk>", "<s>", "</s>")] == [0, 1, 2, 3]
    ended = [2, *piece.encode(TEXTS[0]), 3, 0, 0]
    assert piece.decode(ended) == TEXTS[0]
    again = pickle.loads(pickle.dumps(piece))
    assert again.encode(TEXTS[0]).tolist() == piece.encode(TEXTS[0]).tolist()


def test_too_little_text_and_other_files_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="size 9000"):
        train_sentence_piece(TEXTS, tmp_path / "x.model", 9000)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="not one text"):
        train_sentence_piece(TEXTS[0], tmp_path / "x.model", 90)
    (tmp_path / "other").write_text("no model")
    with pytest.raises(ValueError, match="not a model"):
        SentencePiece(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        SentencePiece(tmp_path / "nowhere")


def test_files_of_hugging_face_are_read(tmp_path):
    need("tokenizers")
    words = sorted({word for text in TEXTS for word in text.split()})
    numbers = {"<unk>": 0, "<s>": 1} | {w: i for i, w in enumerate(words, start=2)}
    file = {
        "version": "1.0",
        "added_tokens": [],
        "truncation": {  # which models of sentences have, and would lose words
            "direction": "Right",
            "max_length": 3,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": {
            "strategy": {"Fixed": 99},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<unk>",
        },
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "model": {"type": "WordLevel", "vocab": numbers, "unk_token": "<unk>"},
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(file), "utf-8")
    tokenizer = HuggingFaceTokenizer(path)
    ids = tokenizer.encode(TEXTS[0])
    assert ids.tolist() == [numbers[w] for w in TEXTS[0].split()]
    assert ids.dtype == np.int32 and tokenizer.decode(ids) == TEXTS[0]
    assert pickle.loads(pickle.dumps(tokenizer)).encode("God").tolist() == [
        numbers["God"]
    ]
    assert HuggingFaceTokenizer(path, specials=True).encode("God")[0] == 1
    assert len(tokenizer) == len(numbers) and "ids" in repr(tokenizer)
    with pytest.raises(TypeError, match="specials must be True or False, got 'no'"):
        HuggingFaceTokenizer(path, specials="no")
    path.write_text("{}")
    with pytest.raises(ValueError, match="not a tokenizer.json"):
        HuggingFaceTokenizer(path)


def test_moses_goes_both_ways_and_escapes_nothing():
    need("sacremoses")
    moses = MosesTokenizer("en")
    text = "It's late, at 5 p.m.; a well-known thing [1]."
    assert moses.tokenize("R&D") == ["R", "&", "D"]
    assert moses.detokenize(moses.tokenize(text)) == text
    assert moses.detokenize(["R", "&amp;", "D"]) == "R &amp; D"
    assert "@-@" in MosesTokenizer(split_hyphens=True).tokenize(text)
    assert pickle.loads(pickle.dumps(moses)).tokenize(text) == moses.tokenize(text)


@pytest.mark.parametrize("language", ["klingon", "", "EN", "french", None, 5])
def test_a_language_that_moses_does_not_know_is_not_english(language):
    need("sacremoses")
    with pytest.raises(ValueError, match=f"'en', .* got {language!r}"):
        MosesTokenizer(language)
    with pytest.raises(TypeError, match="split_hyphens must be True or False"):
        MosesTokenizer("de", "no")


@pytest.mark.parametrize(
    ("package", "extra", "make"),
    [
        ("sacremoses", "text", MosesTokenizer),
        ("sentencepiece", "text", lambda: SentencePiece(b"")),
        ("tokenizers", "hf", lambda: HuggingFaceTokenizer(b"")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, extra, make):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}.*tntjax\[{extra}\]"):
        make()


def test_texts_and_ids_of_another_kind_are_told(model, tmp_path):
    piece = SentencePiece(model)
    with pytest.raises(TypeError, match="a text, a str, got"):
        piece.encode(["two", "texts"])
    for wrong in (80, -1):
        with pytest.raises(ValueError, match=f"80 ids, numbered from 0; got {wrong}"):
            piece.decode([wrong])
    with pytest.raises(TypeError, match="a list of integers, got float64"):
        piece.decode([5.5])
    for texts in ([1, 2], [{"text": "abc"}]):
        with pytest.raises(TypeError, match="train_sentence_piece needs a text"):
            train_sentence_piece(texts, tmp_path / "x.model", 50)
    assert list(tmp_path.iterdir()) == []
