"""Tokens and their numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.verses import ENGLISH
from tntjax.text import (
    Vocab,
    join_bytes,
    tokenize_bytes,
    tokenize_characters,
    tokenize_words,
)

WORDS = [tokenize_words(line) for line in ENGLISH]


def test_the_most_frequent_come_first_and_equals_in_order():
    vocab = Vocab.build([["b", "a", "c", "c"], ["d", "d", "e"]])
    assert vocab.tokens[4:] == ("c", "d", "a", "b", "e")
    assert vocab.tokens == Vocab.build([["e", "d", "d"], ["c", "c", "a", "b"]]).tokens


def test_it_is_cut_by_size_or_count():
    assert len(Vocab.build(WORDS, size=10)) == 10
    counted = Vocab.build(WORDS, min_count=3)
    assert {"the", "And", "God"} <= set(counted.tokens[4:])
    assert "beginning" not in counted
    assert Vocab.build(WORDS, size=4).tokens == ("<pad>", "<unk>", "<s>", "</s>")
    with pytest.raises(ValueError, match="at least 4, got 3"):
        Vocab.build(WORDS, size=3)


def test_a_special_in_the_text_is_the_special():
    vocab = Vocab.build([["<unk>", "a", "</s>"]])
    assert len(vocab) == 5 and vocab.encode(["<unk>", "</s>"]).tolist() == [1, 3]


def test_numbers_come_back_as_tokens():
    vocab = Vocab.build(WORDS)
    ids = vocab.encode(WORDS[2])
    assert ids.dtype == np.int32 and vocab.decode(ids) == WORDS[2]
    assert vocab.decode([2, vocab["God"], 1, 3, 0]) == ["God", "<unk>"]
    assert vocab.decode([2, 3], keep_specials=True) == ["<s>", "</s>"]
    assert repr(vocab).startswith(f"Vocab({len(vocab)} tokens: ")
    assert vocab.encode([]).shape == (0,) and vocab.decode([]) == []


def test_an_unknown_token_is_a_number_or_an_error():
    assert Vocab.build(WORDS).encode(["xylophone"]).tolist() == [1]
    strict = Vocab.build(WORDS, unknown=None)
    with pytest.raises(KeyError, match="no token 'xylophone'"):
        strict.encode(["xylophone"])
    with pytest.raises(ValueError, match="unknown token '<none>'"):
        Vocab(("a",), unknown="<none>")


@given(st.sets(st.text()))
def test_any_tokens_are_saved_and_loaded(tmp_path_factory, tokens):
    path = tmp_path_factory.mktemp("vocab") / "vocab.json"
    vocab = Vocab.build([tokens])
    vocab.save(path)
    assert Vocab.load(path) == vocab


def test_mistakes_are_told(tmp_path):
    (tmp_path / "other").write_text("[1, 2]")
    with pytest.raises(ValueError, match="is not a vocabulary"):
        Vocab.load(tmp_path / "other")
    with pytest.raises(TypeError, match="letter|lists of tokens"):
        Vocab.build(ENGLISH)
    with pytest.raises(TypeError, match="list of tokens"):
        Vocab.build(WORDS).encode("in the beginning")
    with pytest.raises(ValueError, match="numbers 0 to 4, got 5"):
        Vocab.build([["a"]]).decode([5])
    with pytest.raises(ValueError, match="got 'a' twice"):
        Vocab(("a", "b", "a"), unknown=None)


def test_only_blanks_of_ascii_part_words():
    assert tokenize_words("a\tb  c\xa0d\u2028e\x85f \n") == [
        "a",
        "b",
        "c\xa0d\u2028e\x85f",
    ]
    assert tokenize_characters("a \n") == ["a", " ", "\n"]


@given(st.text(st.characters(codec="utf-8")))
def test_bytes_are_text_again(text):
    ids = tokenize_bytes(text)
    assert ids.dtype == np.int32 and join_bytes(ids) == text


def test_words_of_one_billion_word_are_counted_with_their_end():
    """As its README counts: one `</S>` a sentence, no `<S>`."""
    vocab = Vocab.build(WORDS)
    ids = [np.append(vocab.encode(words), vocab["</s>"]) for words in WORDS]
    assert sum(map(len, ids)) == sum(map(len, WORDS)) + len(ENGLISH)
