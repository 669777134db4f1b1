"""One Billion Word and WMT14 in their official layouts, made of real sentences."""

import dataclasses
import gzip
import pickle
import re

import jax
import numpy as np
import pytest

import tntjax as tnt
from tests.text.verses import ENGLISH, SPANISH, write_lines
from tntjax.text import WMT14, OneBillionWord, read_sgm
from tntjax.text._one_billion_word import NAME

HELD_OUT = "heldout-monolingual.tokenized.shuffled"
TRAINING = "training-monolingual.tokenized.shuffled"


def tokenized(text):
    return " ".join(re.findall(r"\w+|[^\w\s]", text))


@pytest.fixture
def billion(tmp_path):
    """All 50 held-out shards, the file that is all of them, and two of the training."""
    for shard in range(50):
        name = f"news.en.heldout-{shard:05}-of-00050"
        lines = [f"{shard}", tokenized(ENGLISH[shard % 8])]
        write_lines(tmp_path / NAME / HELD_OUT / name, lines)
    union = [f"union {line}" for line in range(100)]
    write_lines(tmp_path / NAME / HELD_OUT / "news.en-00000-of-00100", union)
    for shard in (1, 2):
        name = f"news.en-{shard:05}-of-00100"
        write_lines(tmp_path / NAME / TRAINING / name, map(tokenized, ENGLISH))
    return tmp_path


def test_held_out_shards_are_not_counted_twice(billion):
    dataset = OneBillionWord(billion, "heldout")
    assert len(dataset) == 100
    assert [dataset[2 * shard]["text"] for shard in range(50)] == [
        str(shard) for shard in range(50)
    ]


def test_shards_are_named_by_the_numbers_of_their_files(billion):
    dataset = OneBillionWord(billion / NAME, "heldout", shards=[7, 0])
    assert [sample["text"] for sample in dataset][::2] == ["7", "0"]
    assert len(OneBillionWord(billion, shards=[1, 2], cache=billion / "cache")) == 16
    with pytest.raises(ValueError, match="shards 1 to 99 in split 'train', got 0"):
        OneBillionWord(billion, shards=[0])
    with pytest.raises(ValueError, match="shards 0 to 49"):
        OneBillionWord(billion, "heldout", shards=[50])


def test_a_part_of_the_benchmark_is_not_the_whole(billion, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"(?s)97 of the 99 files.*shards="
    ) as info:
        OneBillionWord(billion)
    assert "news.en-00003-of-00100" in str(info.value)
    with pytest.raises(FileNotFoundError, match="(?s)50 of the 50.*r13output.tar.gz"):
        OneBillionWord(tmp_path / "nowhere", "heldout")
    with pytest.raises(ValueError, match="got 'test'"):
        OneBillionWord(billion, "test")


def sgm(kind, lines, language):
    """The form of the archives: upper and lower case, bare `&`, two documents."""
    half = len(lines) // 2
    text = f'<{kind} setid="newstest2014" srclang="any" trglang="{language}">\n'
    for name, part in (("a.1", lines[:half]), ("b.2", lines[half:])):
        text += f'<doc sysid="ref" docid="{name}" genre="news" origlang="en">\n<p>\n'
        for number, line in enumerate(part, start=1):
            text += f'<seg id="{number}">{line}</seg>\n'
        text += "</p>\n</doc>\n"
    return text + f"</{kind}>\n"


def write_test(root, folder, stem, sides, kind="refset"):
    for (side, language), lines in sides.items():
        path = root / folder / f"{stem}-{side}.{language}.sgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sgm(kind, lines, language), "utf-8")


@pytest.fixture
def wmt(tmp_path):
    """Spanish stands for German and for French."""
    for language in ("de", "fr"):
        for stem in ("training/europarl-v7", "commoncrawl"):
            english, other = [*ENGLISH, ""], [*SPANISH, "solo"]
            write_lines(tmp_path / f"{stem}.{language}-en.en", english)
            write_lines(tmp_path / f"{stem}.{language}-en.{language}", other)
        odd = [line.replace(" ", "\r", 1) for line in SPANISH]
        stem = f"training/news-commentary-v9.{language}-en"
        write_lines(tmp_path / f"{stem}.en", ENGLISH)
        write_lines(tmp_path / f"{stem}.{language}", odd)
    write_lines(tmp_path / "un" / "undoc.2000.fr-en.en", ENGLISH)
    write_lines(tmp_path / "un" / "undoc.2000.fr-en.fr", SPANISH)
    for language, lines in (("en", ENGLISH), ("fr", SPANISH)):
        packed = gzip.compress(("\n".join(lines) + "\n").encode())
        (tmp_path / f"giga-fren.release2.fixed.{language}.gz").write_bytes(packed)
    both = {("src", "en"): ENGLISH, ("src", "de"): SPANISH, ("src", "fr"): SPANISH}
    write_test(tmp_path, "test", "newstest2013", both, "srcset")
    for language, name in (("de", "deen"), ("fr", "fren")):
        for folder, count in (("test-full", 8), ("test", 6)):
            sides = {
                (side, part): lines[:count]
                for side in ("src", "ref")
                for part, lines in (("en", ENGLISH), (language, SPANISH))
            }
            write_test(tmp_path, folder, f"newstest2014-{name}", sides)
    return tmp_path


def test_training_pairs_come_from_all_corpora(wmt):
    dataset = WMT14(wmt)
    assert len(dataset) == 9 + 9 + 8
    assert dataset[10] == {
        "input": SPANISH[1],
        "target": ENGLISH[1],
        "corpus": "commoncrawl",
        "index": 1,
    }
    assert [dataset[i]["corpus"] for i in (0, 18)] == ["europarl", "news-commentary"]
    assert WMT14(wmt, "en-de")[10]["input"] == ENGLISH[1]


def test_a_carriage_return_in_news_commentary_parts_nothing(wmt):
    dataset = WMT14(wmt, "fr-en", corpora=["news-commentary"])
    assert len(dataset) == 8
    assert "\r" in dataset[7]["input"] and dataset[7]["target"] == ENGLISH[7]


def test_french_has_two_corpora_more_one_of_them_packed(wmt):
    dataset = WMT14(wmt, "fr-en", cache=wmt / "cache")
    assert len(dataset) == 9 + 9 + 8 + 8 + 8
    assert dataset[len(dataset) - 1]["corpus"] == "giga"
    assert dataset[len(dataset) - 1]["input"] == SPANISH[7]
    with pytest.raises(ValueError, match=r"'news-commentary'\], got \('giga'\)"):
        WMT14(wmt, corpora=["giga"])


def test_pairs_with_an_empty_line_are_kept_or_dropped(wmt):
    assert WMT14(wmt)[8]["target"] == "" and WMT14(wmt)[8]["input"] == "solo"
    assert len(WMT14(wmt, empty="drop")) == 8 + 8 + 8


def test_full_and_filtered_are_different_tests_and_none_is_the_default(wmt):
    full = WMT14(wmt, "en-de", "newstest2014", test="full")
    filtered = WMT14(wmt, "en-de", "newstest2014", test="filtered")
    assert (len(full), full.name) == (8, "wmt14/full")
    assert (len(filtered), filtered.name) == (6, "wmt14/filtered")
    for test in (None, "all"):
        with pytest.raises(ValueError, match="'full' or 'filtered'"):
            WMT14(wmt, "en-de", "newstest2014", test=test)
    with pytest.raises(ValueError, match="leave test= out"):
        WMT14(wmt, test="full")


def test_segments_keep_their_documents(wmt):
    sample = WMT14(wmt, "en-de", "newstest2014", test="full")[5]
    assert sample == {
        "input": ENGLISH[5],
        "target": SPANISH[5],
        "corpus": "wmt14/full",
        "index": 5,
        "document": "b.2",
        "segment": "2",
    }
    dataset = WMT14(wmt, "en-de", "newstest2014", test="full")
    assert tnt.take(dataset, [5, 0])["segment"] == ["2", "1"]
    assert pickle.loads(pickle.dumps(dataset))[5] == sample
    assert dataclasses.replace(dataset, cache=wmt)[5] == sample
    dataset[5]["input"] = "changed"
    assert dataset[5]["input"] == ENGLISH[5]


def test_both_sides_of_2013_are_sources(wmt):
    dataset = WMT14(wmt, "fr-en", "newstest2013")
    assert (dataset[0]["input"], dataset[0]["target"]) == (SPANISH[0], ENGLISH[0])
    assert dataset.name == "wmt14/newstest2013"


def test_sides_of_different_archives_are_refused(wmt):
    wrong = sgm("refset", SPANISH[:6], "de")
    path = wmt / "test-full" / "newstest2014-deen-ref.de.sgm"
    path.write_text(wrong, "utf-8")
    with pytest.raises(ValueError, match="not of one archive"):
        WMT14(wmt, "en-de", "newstest2014", test="full")


def test_missing_archives_are_named(tmp_path, wmt):
    with pytest.raises(FileNotFoundError, match="training-parallel-europarl-v7.tgz"):
        WMT14(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="wmt14/test-full.tgz"):
        WMT14(tmp_path / "nowhere", "en-fr", "newstest2014", test="full")
    for arguments in (("de-fr",), ("german",), ("de-en", "newstest2012")):
        with pytest.raises(ValueError, match="WMT14 needs"):
            WMT14(wmt, *arguments)


def test_sgm_is_not_xml(tmp_path):
    path = tmp_path / "x.sgm"
    path.write_text(
        '<refset>\n<DOC docid="a">\n<hl>\n<seg id="1"> R&D &amp; <5 </seg>\n'
        '</hl>\n<seg id="2">one\u2028line</seg>\n</DOC>\n',
        "utf-8",
    )
    assert [tuple(part) for part in read_sgm(path)] == [
        ("a", "1", "R&D &amp; <5"),
        ("a", "2", "one\u2028line"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('<doc docid="a">\n<seg id="1">no end\n', "line 2: a segment without </seg>"),
        ('<seg id="1">no document</seg>\n', "line 1: a segment outside of a <doc>"),
        ('<doc docid="a"></doc>\n<seg id="1">x</seg>', "line 2: a segment outside"),
        ('<doc docid="a">\n<doc>\n<seg id="1">x</seg>', "line 3: a segment outside"),
        ('<doc docid="a"><seg>x</seg>', "line 1: a segment without an id"),
        ('<doc docid="a"><seg id="1"><seg id="2">', "without an id, or within another"),
        ('<doc docid="a">\n<seg id="1">\xff</seg>', "line 2: .*can't decode byte 0xff"),
        ("just text\n", "no line with <seg"),
    ],
)
def test_damaged_sgm_is_refused(tmp_path, text, told):
    (tmp_path / "x.sgm").write_text(text, "latin-1")
    with pytest.raises(ValueError, match=told):
        read_sgm(tmp_path / "x.sgm")


def test_several_documents_and_segments_may_be_on_one_line(tmp_path):
    path = tmp_path / "x.sgm"
    path.write_text(
        '<doc docid=a><seg id=1>one</seg><seg id="2">a <doc> two</seg></doc>'
        "<DOC sysid='s' docid='b'><SEG ID='1'></SEG></DOC>"
    )
    assert [tuple(part) for part in read_sgm(path)] == [
        ("a", "1", "one"),
        ("a", "2", "a <doc> two"),
        ("b", "1", ""),
    ]


@pytest.mark.parametrize(
    ("shards", "error"),
    [
        ("1", TypeError),
        ([1.0], TypeError),
        ([True], TypeError),
        ([], ValueError),
        ([1, 1], ValueError),
    ],
)
def test_shards_are_integers_each_once(billion, shards, error):
    with pytest.raises(error, match="a list of integers as shards"):
        OneBillionWord(billion, shards=shards)
    assert len(OneBillionWord(bytes(billion), shards=np.array([2]))) == 8


@pytest.mark.parametrize(
    "corpora",
    ["europarl", [], ["europarl", "europarl"], ["un"], 5, [5], [[]], {"europarl"}],
)
def test_corpora_are_a_list_each_once(wmt, corpora):
    with pytest.raises(ValueError, match="a list of corpora, each once, of .*, got"):
        WMT14(wmt, corpora=corpora)


def test_a_choice_of_corpora_can_be_hashed(wmt):
    chosen = WMT14(wmt, corpora=(name for name in ["commoncrawl", "europarl"]))
    assert chosen[0]["corpus"] == "commoncrawl"
    hash(jax.tree.structure(chosen))


def test_arguments_that_a_test_set_would_not_heed_are_refused(wmt):
    for options in ({"empty": "drop"}, {"corpora": ["europarl"]}):
        with pytest.raises(ValueError, match="are of train, not newstest2013"):
            WMT14(wmt, split="newstest2013", **options)
    with pytest.raises(TypeError, match="WMT14: root must be a path, got None"):
        WMT14(None)
