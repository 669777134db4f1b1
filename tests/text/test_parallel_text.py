"""Pairs of lines stay pairs, or it is shown where they part."""

import dataclasses
import pickle

import numpy as np
import pytest

import tntjax as tnt
from tests.text.verses import ENGLISH, SPANISH, write_lines
from tntjax.text import ParallelText


@pytest.fixture
def write(tmp_path):
    def run(english, spanish):
        paths = tmp_path / "x.en", tmp_path / "x.es"
        for path, lines in zip(paths, (english, spanish), strict=True):
            write_lines(path, lines)
        return paths

    return run


def test_lines_go_in_pairs(write):
    pairs = ParallelText(*write(ENGLISH, SPANISH))
    assert len(pairs) == 8
    assert pairs[4] == {"input": ENGLISH[4], "target": SPANISH[4]}
    assert pickle.loads(pickle.dumps(pairs))[7]["target"] == SPANISH[7]
    assert tnt.take(pairs, [1])["input"] == [ENGLISH[1]]
    turned = dataclasses.replace(pairs, input=pairs.target, target=pairs.input)
    assert turned[4] == {"input": SPANISH[4], "target": ENGLISH[4]}


def test_ends_of_other_systems_inside_a_line_part_nothing(write):
    odd = (*SPANISH[:3], "Y vió\rDios\u2028que la luz\x85era buena.", *SPANISH[4:])
    pairs = ParallelText(*write(ENGLISH, odd))
    assert pairs[3]["target"] == odd[3] and pairs[7]["target"] == SPANISH[7]


@pytest.mark.parametrize("place", [0, 3, 7])
def test_an_error_shows_where_they_part(write, place):
    split = list(SPANISH)
    split[place : place + 1] = [SPANISH[place][:9], SPANISH[place][9:]]
    with pytest.raises(ValueError, match="as many lines on both sides") as caught:
        ParallelText(*write(ENGLISH, split))
    text = str(caught.value)
    assert "input, 8 lines" in text and "target, 9 lines" in text
    line = int(text.split("near line ")[1].split(":")[0])
    assert abs(line - 1 - place) <= 2
    assert f"  {place + 1}: {SPANISH[place][:9].encode()!r}" in text


def test_the_place_is_found_in_a_long_text(write):
    rng = np.random.default_rng(0)
    sizes = rng.integers(10, 200, 5000)
    english = ["e" * int(size) for size in sizes]
    spanish = ["s" * int(size * rng.uniform(0.9, 1.3)) for size in sizes]
    del english[3210]
    with pytest.raises(ValueError, match=r"near line 32(09|10|11|12)"):
        ParallelText(*write(english, spanish))


def test_an_empty_side_is_refused(write):
    paths = write(ENGLISH, SPANISH)
    paths[0].write_bytes(b"")
    with pytest.raises(ValueError, match="near line 1:"):
        ParallelText(*paths)


def test_empty_lines_are_pairs_or_dropped_on_both_sides(write):
    english, spanish = list(ENGLISH), list(SPANISH)
    english[1], spanish[5] = "", ""
    paths = write(english, spanish)
    assert ParallelText(*paths)[1] == {"input": "", "target": SPANISH[1]}
    dropped = ParallelText(*paths, empty="drop")
    assert [pair["input"] for pair in dropped] == [
        ENGLISH[index] for index in (0, 2, 3, 4, 6, 7)
    ]
    assert dropped[5] == {"input": ENGLISH[7], "target": SPANISH[7]}
    with pytest.raises(ValueError, match="empty 'keep' or 'drop'"):
        ParallelText(*paths, empty="skip")


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_pairs_of_a_long_text_that_are_not_dropped_are_found(write, share):
    full = np.random.default_rng(0).random(3000) >= share
    full[:2] = full[-2:] = False
    texts = [str(row) if full[row] else "" for row in range(3000)]
    pairs = ParallelText(*write(texts, texts), empty="drop")
    assert [pair["input"] for pair in pairs] == list(filter(None, texts))


def test_a_pickle_grows_with_what_is_dropped_and_not_with_the_pairs(write):
    texts = ["x"] * 100_000 + [""]
    pairs = ParallelText(*write(texts, texts), empty="drop")
    data = pickle.dumps(pairs)
    assert len(data) < 2000 and len(pickle.loads(data)) == 100_000


def test_other_arguments_in_its_place_count_the_pairs_again(write, tmp_path):
    pairs = ParallelText(*write(["one", "", "two"], ["x", "y", "z"]))
    dropped = dataclasses.replace(pairs, empty="drop")
    assert (len(pairs), len(dropped)) == (3, 2) and dropped[1]["input"] == "two"
    assert len(dataclasses.replace(dropped, empty="keep")) == 3
    path = write_lines(tmp_path / "other", ["", "one", "two"])
    other = dataclasses.replace(dropped, input=path)
    assert other[0] == {"input": "one", "target": "y"}
    with pytest.raises(TypeError, match="a path or a list of paths, got None"):
        ParallelText(None, pairs.target)
