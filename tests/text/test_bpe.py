"""Byte pair encoding gives the published ids."""

import base64
import gc
import pickle
import re
import weakref
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.required import leave_out
from tests.text.verses import ENGLISH, SPANISH
from tntjax.text import BPE
from tntjax.text._bpe import GPT2, translate_pattern

BYTES = {bytes([byte]): byte for byte in range(256)}
TEXTS = [
    *ENGLISH,
    *SPANISH,
    "Hello, world! It's 2024 — ½²Ⅻ 日本語の文\u2028x\x1c \x85 ☃😀\r\n\t  end  ",
    "x" * 700 + " " * 50 + "!" * 99,
    "",
]
SAMPLE = "Hello, world! It's 2024 — 日本語 año\n\n  end"
GOLDEN = {  # of tiktoken 0.14
    "gpt2": [15496, 11, 995, 0, 632, 338, 48609, 851, 10545, 245, 98, 17312, 105]
    + [45739, 252, 257, 31329, 628, 220, 886],
    "multilingual": [15947, 11, 1002, 0, 467, 311, 45237, 3466, 220, 27311, 31348]
    + [15984, 198, 198, 220, 917],
}


@pytest.fixture(scope="module", params=sorted(GOLDEN))
def published(request):
    found = find_spec("whisper")
    if found is None or not found.submodule_search_locations:
        leave_out("vocabularies: pip install --no-deps openai-whisper")
    folder = Path(found.submodule_search_locations[0]) / "assets"
    return request.param, BPE.from_tiktoken(folder / f"{request.param}.tiktoken")


def test_ids_are_the_published_ones(published):
    name, bpe = published
    assert bpe.encode(SAMPLE).tolist() == GOLDEN[name]
    assert len(bpe) == {"gpt2": 50256, "multilingual": 50257}[name]


def test_any_text_comes_back(published):
    for text in TEXTS:
        assert published[1].decode(published[1].encode(text)) == text


def test_tiktoken_agrees(published):
    tiktoken = pytest.importorskip("tiktoken")
    name, bpe = published
    other = tiktoken.Encoding(
        name, pat_str=GPT2, mergeable_ranks=dict(bpe.ranks), special_tokens={}
    )
    for text in TEXTS:
        assert bpe.encode(text).tolist() == other.encode(text, disallowed_special=())


@given(st.text(st.characters(codec="utf-8")))
def test_bytes_are_always_there(text):
    assert BPE(BYTES).decode(BPE(BYTES).encode(text)) == text


def slowly(part, ranks):
    """The definition: merge the first pair in rank, of equals the leftmost."""
    tokens = [bytes([byte]) for byte in part]
    while True:
        pairs = [
            (ranks[left + right], place)
            for place, (left, right) in enumerate(zip(tokens, tokens[1:], strict=False))
            if left + right in ranks
        ]
        if not pairs:
            return [ranks[token] for token in tokens]
        _, place = min(pairs)
        tokens[place : place + 2] = [tokens[place] + tokens[place + 1]]


@given(st.text("abc", max_size=40), st.lists(st.text("abc", min_size=2, max_size=5)))
def test_merges_are_those_of_the_definition(text, merges):
    ranks = BYTES | {m.encode(): 256 + i for i, m in enumerate(dict.fromkeys(merges))}
    if text.encode() not in ranks:  # which is one token at once
        assert BPE(ranks).encode(text).tolist() == slowly(text.encode(), ranks)


def test_specials_are_ids_and_never_text():
    bpe = BPE(BYTES, specials={"<|end|>": 256})
    assert bpe.encode("<|end|>").tolist() == list(b"<|end|>")
    assert bpe.decode([104, 105, bpe.specials["<|end|>"]]) == "hi<|end|>"
    assert pickle.loads(pickle.dumps(bpe)) == bpe and len(bpe) == 257
    assert repr(bpe) == "BPE(257 ids, 1 of them special)"


def test_a_part_of_a_character_is_shown_as_such():
    assert BPE(BYTES).decode([0xC3]) == "�"


def test_patterns_know_unicode():
    assert np.all([translate_pattern(r"\p{Lu}[\p{N}x]") != r"\p{Lu}[\p{N}x]"])
    found = re.findall(translate_pattern(r"\p{L}+|[^\s\p{L}]+"), "añ½ b")
    assert found == ["añ", "½", "b"]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x").write_text("IQ== 0\nhello\n")
    with pytest.raises(ValueError, match="line 2: expected a token in base64"):
        BPE.from_tiktoken(tmp_path / "x")
    (tmp_path / "x").write_text("IQ== 0\n")
    with pytest.raises(ValueError, match="id for each of the 256 bytes"):
        BPE.from_tiktoken(tmp_path / "x")
    for wrong in (256, -1):
        with pytest.raises(ValueError, match=f"256 ids, numbered from 0; got {wrong}"):
            BPE(BYTES).decode([wrong])
    with pytest.raises(ValueError, match="no token with the id 256"):
        BPE(BYTES, specials={"<|end|>": 300}).decode([256])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ranks": BYTES | {b"th": 255}}, "each of one token, got 255"),
        ({"specials": {"<s>": 97}}, "each of one token, got 97"),
        ({"specials": {"<s>": -1}}, "each of one token, got -1"),
        ({"ranks": BYTES | {b"th": 2**31}}, "fit int32, .* got 2147483648"),
        ({"pattern": "("}, "can't part text by the pattern"),
        ({"pattern": r"\P{L}+"}, "can't part text by the pattern"),
        ({"pattern": r"\p{Han}+"}, "no category Han"),
        ({"pattern": r"[\S]+"}, "inside of brackets"),
    ],
)
def test_wrong_ids_and_patterns_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        BPE(**{"ranks": BYTES, **changes})


@pytest.mark.parametrize("id", [256.5, "x", None, True])
def test_ids_of_tokens_are_integers(id):
    with pytest.raises(TypeError, match="BPE needs integers as ids, got"):
        BPE(BYTES | {b"th": id})
    with pytest.raises(TypeError, match="BPE: specials: a token needs a text"):
        BPE(BYTES, specials={b"<s>": 256})
    with pytest.raises(ValueError, match="halves of surrogate pairs"):
        BPE(BYTES).encode("a\ud800")


def test_a_pattern_with_groups_loses_nothing_and_one_with_gaps_is_told():
    grouped = BPE(BYTES, pattern="(a)|(?i:b)|.")
    assert grouped.decode(grouped.encode("aBc")) == "aBc"
    for text in ("a-b", "-ab", "ab-"):
        with pytest.raises(ValueError, match="no part for '-"):
            BPE(BYTES, pattern=r"\w+").encode(text)


def test_a_token_twice_in_a_file_is_told_and_blank_lines_are_not_read(tmp_path):
    lines = [base64.b64encode(token).decode() + f" {id}" for token, id in BYTES.items()]
    (tmp_path / "x").write_text("\n".join(lines) + "\n\n")
    assert len(BPE.from_tiktoken(tmp_path / "x")) == 256
    (tmp_path / "x").write_text("\n".join([*lines, "YQ== 300"]))
    with pytest.raises(ValueError, match="line 257: expected a token"):
        BPE.from_tiktoken(tmp_path / "x")


@pytest.mark.parametrize("ids", [[97.5], "97", 97, [[97]]])
def test_ids_are_a_list_of_integers(ids):
    with pytest.raises((TypeError, ValueError), match="needs a list of integers"):
        BPE(BYTES).decode(ids)
    with pytest.raises(TypeError, match="BPE.encode needs a text, a str"):
        BPE(BYTES).encode(b"a")


@pytest.mark.parametrize(("size", "kept"), [(8, True), (5000, False)])
def test_ids_of_short_parts_are_kept_and_those_of_long_ones_are_not(size, kept):
    asked = []

    class Ranks(dict):
        def get(self, token, default=None):
            asked.append(token)
            return super().get(token, default)

    bpe = BPE(Ranks({**BYTES, b"xy": 256}))
    text = "xy" * (size // 2)
    first = bpe.encode(text)
    assert first.tolist() == [256] * (size // 2)
    assert asked
    asked.clear()
    np.testing.assert_array_equal(bpe.encode(text), first)
    assert (not asked) == kept


def test_a_tokenizer_is_let_go_at_once():
    bpe = BPE(BYTES)
    bpe.encode("some text")
    alive = weakref.ref(bpe)
    gc.disable()  # a cycle would keep it, with its kept ids, until a collection
    try:
        del bpe
        assert alive() is None
    finally:
        gc.enable()
