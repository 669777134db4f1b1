"""Tokens and their numbers."""

import jax
import jax.numpy as jnp
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
    with pytest.raises(ValueError, match=r"unknown token \['a'\] among its tokens"):
        Vocab(("a",), unknown=["a"])


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
    with pytest.raises(TypeError, match="must be True or False, got .no."):
        Vocab.build([]).decode([0], keep_specials="no")
    with pytest.raises(ValueError, match="has 5 ids, numbered from 0; got 5"):
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


def test_it_is_a_sequence_of_tokens_that_ends():
    vocab = Vocab.build([["a", "b"]], specials=iter(["<unk>"]))
    assert list(vocab) == ["<unk>", "a", "b"] and len(vocab) == 3


def test_odd_tokens_are_saved_and_loaded(tmp_path):
    odd = Vocab(["", "a\tb", "a\nb", "\u2028", "\x00", "\ud800", "😀"], unknown=None)
    odd.save(tmp_path / "odd")
    assert Vocab.load(tmp_path / "odd") == odd


@pytest.mark.parametrize("ids", [[4.0], [True], "4", ["4"], 4, None])
def test_ids_that_are_not_integers_are_refused(ids):
    for decode in (Vocab.build([["a"]]).decode, join_bytes):
        with pytest.raises(TypeError, match="needs a list of integers, got"):
            decode(ids)


def test_ids_have_one_axis_and_any_integer_dtype():
    vocab = Vocab.build([["a"]])
    for ids in (np.array([4], np.uint64), iter([4]), (4,)):
        assert vocab.decode(ids) == ["a"]
    with pytest.raises(ValueError, match=r"one axis, got int64\[1,1\]"):
        vocab.decode([[4]])
    for wrong in (2**63, 2**70, -1):
        with pytest.raises(ValueError, match=f"numbered from 0; got {wrong}"):
            vocab.decode([wrong])
    with pytest.raises(TypeError, match="a list of integers, got int32"):
        jax.jit(vocab.decode)(jnp.array([4]))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Vocab("abc", None), TypeError, "a list of tokens, got 'abc'"),
        (lambda: Vocab({"a"}, None), TypeError, "a list of tokens, got {'a'}"),
        (lambda: Vocab([1], None), TypeError, "a token needs a text, a str, got 1"),
        (lambda: Vocab(["a"], None, 2), ValueError, "has 1 tokens, not 2 specials"),
        (lambda: Vocab.build([[1, "a"]]), TypeError, "needs a text, a str, got 1"),
        (lambda: Vocab.build([b"ab"]), TypeError, "lists of tokens, got b'ab'"),
        (lambda: Vocab.build([], specials="ab"), TypeError, "tokens, got 'ab'"),
        (lambda: Vocab.build([], min_count=1.5), TypeError, "an integer, got 1.5"),
        (lambda: Vocab.build([]).encode([1]), TypeError, "a text, a str, got 1"),
        (lambda: Vocab.build([]).encode(3), TypeError, "list of tokens, got 3"),
        (lambda: Vocab.build([]).encode({"a"}), TypeError, "list of tokens, got {'a'}"),
        (lambda: Vocab.build(None), TypeError, "a list of texts, got None"),
        (lambda: Vocab.build([3]), TypeError, "lists of tokens, got 3"),
        (lambda: Vocab.build([{"a": 3}]), TypeError, "lists of tokens, got {'a': 3}"),
        (lambda: tokenize_bytes("a\ud800"), ValueError, "halves of surrogate pairs"),
        (lambda: tokenize_words(b"a"), TypeError, "tokenize_words needs a text"),
        (lambda: tokenize_bytes(3), TypeError, "tokenize_bytes needs a text"),
        (lambda: tokenize_characters(["a"]), TypeError, "needs a text, a str"),
    ],
)
def test_what_is_not_text_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
