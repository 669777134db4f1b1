r"""Lines end at `\n` alone, wherever they lie, and are read in any order."""

import dataclasses
import gzip
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tntjax as tnt
from tests.garbage import left_by
from tests.text.verses import ENGLISH, SPANISH, write_lines
from tntjax.text import LineDataset, _line_file

ODD = ["a\rb", "c\u2028d", "e\x85f", "\x0bg\x0ch", "", "i\r"]


def texts(dataset):
    return [sample["text"] for sample in dataset]


@pytest.fixture
def english(tmp_path):
    return write_lines(tmp_path / "x.en", ENGLISH)


def test_nothing_but_a_line_feed_ends_a_line(tmp_path):
    assert texts(LineDataset(write_lines(tmp_path / "odd", ODD))) == ODD


@pytest.mark.parametrize("cached", [False, True])
def test_a_mark_of_utf_8_is_not_part_of_the_first_line(tmp_path, cached):
    cache = tmp_path / "cache" if cached else None
    for name in ("a", "b"):
        (tmp_path / name).write_bytes("\ufeffone\n\ufefftwo\n".encode())
    (tmp_path / "mark").write_bytes("\ufeff".encode())
    (tmp_path / "b.gz").write_bytes(gzip.compress("\ufeff\nthree".encode()))
    files = [tmp_path / name for name in ("a", "mark", "b", "b.gz")]
    dataset = LineDataset(files, cache)
    assert texts(dataset) == ["one", "\ufefftwo", "one", "\ufefftwo", "", "three"]
    assert dataset.files.files[0].sizes().tolist() == [3, 6]


def test_a_last_line_needs_no_end(tmp_path):
    (tmp_path / "a").write_bytes(b"one\ntwo")
    assert texts(LineDataset(tmp_path / "a")) == ["one", "two"]


def test_an_empty_file_has_no_lines(tmp_path, english):
    (tmp_path / "none").write_bytes(b"")
    (tmp_path / "none.gz").write_bytes(gzip.compress(b""))
    dataset = LineDataset([tmp_path / "none", english, tmp_path / "none.gz"])
    assert texts(dataset) == list(ENGLISH)


def test_files_follow_each_other(tmp_path, english):
    dataset = LineDataset([english, write_lines(tmp_path / "x.es", SPANISH)])
    assert texts(dataset) == [*ENGLISH, *SPANISH]
    assert dataset[len(ENGLISH)] == {"text": SPANISH[0]}


@pytest.mark.parametrize("cached", [False, True])
def test_packed_files_read_as_plain_ones(tmp_path, cached):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress("\n".join(ODD).encode()))
    cache = tmp_path / "cache" if cached else None
    assert texts(LineDataset(path, cache)) == ODD
    assert texts(pickle.loads(pickle.dumps(LineDataset(path, cache)))) == ODD


def test_a_damaged_packed_file_is_refused_and_not_cached(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"a\n" * 1000)[:-9])
    with pytest.raises(ValueError, match="not a whole gzip file"):
        LineDataset(path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_serves_the_file_as_it_is(tmp_path, english):
    cache = tmp_path / "cache"
    assert len(LineDataset(english, cache)) == len(LineDataset(english, cache))
    assert len(list(cache.iterdir())) == 1
    write_lines(english, ["another"])
    assert texts(LineDataset(english, cache)) == ["another"]


def test_a_pickle_is_small_and_refuses_a_file_that_changed(tmp_path):
    path = write_lines(tmp_path / "long", map(str, range(100_000)))
    data = pickle.dumps(LineDataset(path))
    assert len(data) < 1000 and pickle.loads(data)[99_999] == {"text": "99999"}
    write_lines(path, ["another"])
    with pytest.raises(ValueError, match="has changed"):
        pickle.loads(data)


def test_places_take_four_bytes_a_line(english):
    assert LineDataset(english).files.files[0].starts.itemsize == 4


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"))))
def test_any_lines_are_read_back(tmp_path_factory, lines):
    path = write_lines(tmp_path_factory.mktemp("lines") / "a", lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_line_file, "PIECE", 7)  # lines lie across pieces
        dataset = LineDataset(path)
        assert len(dataset) == max(1, len(lines))
        assert texts(dataset) == (lines or [""])


def test_it_is_a_dataset_like_others(english):
    dataset = LineDataset(english)
    assert tnt.take(dataset, [[2, 0]])["text"] == [[ENGLISH[2], ENGLISH[0]]]
    batches = tnt.BatchDataset(tnt.ShuffleDataset(dataset, seed=1), 3)
    assert sorted(t for batch in batches for t in batch["text"]) == sorted(ENGLISH)
    assert jax.tree.unflatten(*jax.tree.flatten(dataset)[::-1])[1] == dataset[1]
    assert dataclasses.replace(dataset, errors="ignore")[1] == dataset[1]
    assert jax.tree.leaves(dataset) == [] and "0x" not in repr(dataset)
    with pytest.raises(IndexError, match="8 samples"):
        dataset[8]


def test_threads_read_what_one_reads(english):
    dataset, order = LineDataset(english), np.arange(800) % 8
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda i: dataset[int(i)]["text"], order))
    assert read == [ENGLISH[i] for i in order]


def test_bytes_that_are_not_text_are_told_with_their_place(tmp_path):
    (tmp_path / "latin").write_bytes("one\naño\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"Line 2 of .*latin is not UTF-8"):
        LineDataset(tmp_path / "latin")[1]
    assert LineDataset(tmp_path / "latin", errors="replace")[1] == {"text": "a�o"}


def test_missing_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        LineDataset(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="one file or more"):
        LineDataset([])


def test_paths_may_be_bytes_and_must_be_paths_in_order(tmp_path, english):
    assert texts(LineDataset([bytes(english)])) == list(ENGLISH)
    for wrong in (None, 3, [3], {english}, {english: 1}):
        with pytest.raises(TypeError, match="a path.*, got"):
            LineDataset(wrong)
    with pytest.raises(ValueError, match="cache must be a path, got ''"):
        LineDataset(english, "")
    with pytest.raises(FileNotFoundError, match="is not a file"):
        LineDataset(tmp_path)


@pytest.mark.parametrize("errors", ["replce", "xmlcharrefreplace", None])
def test_an_unknown_way_with_errors_is_told_before_a_line_has_one(english, errors):
    with pytest.raises(ValueError, match=f"such as 'strict' .* got {errors!r}"):
        LineDataset(english, errors=errors)


def test_packed_files_are_known_by_their_content(tmp_path):
    path = tmp_path / "no.ending"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert texts(LineDataset(path)) == ["one", "two"]


@pytest.mark.parametrize("damage", [b"", b"junk", None])
def test_a_damaged_index_in_a_cache_is_made_again(tmp_path, english, damage):
    LineDataset(english, tmp_path / "cache")
    (index,) = (tmp_path / "cache").iterdir()
    index.write_bytes(index.read_bytes()[:-4] if damage is None else damage)
    assert texts(LineDataset(english, tmp_path / "cache")) == list(ENGLISH)
    np.arange(4, dtype=np.uint32).tofile(index)  # whole, and not of this file
    assert texts(LineDataset(english, tmp_path / "cache")) == list(ENGLISH)


@pytest.mark.parametrize("size", [0, 5, 4])
def test_an_unpacked_text_that_was_cut_is_unpacked_again(tmp_path, size):
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"one\n\ntwo\n"))
    LineDataset(tmp_path / "x.gz", tmp_path / "cache")
    (plain,) = (tmp_path / "cache").glob("*.txt")
    os.truncate(plain, size)
    dataset = LineDataset(tmp_path / "x.gz", tmp_path / "cache")
    assert texts(dataset) == ["one", "", "two"]


def test_a_cache_takes_files_of_the_longest_names(tmp_path):
    path = write_lines(tmp_path / ("é" * 125 + ".é"), ["one"])
    assert texts(LineDataset(path, tmp_path / "cache")) == ["one"]


def test_what_is_cached_is_as_readable_as_other_files(tmp_path, english):
    LineDataset(english, tmp_path / "cache")
    (index,) = (tmp_path / "cache").iterdir()
    assert index.stat().st_mode == english.stat().st_mode
    with pytest.raises(OSError, match="the cache .*x.en.* can't be written: .* Name"):
        LineDataset(english, english)


@pytest.mark.parametrize("cached", [False, True])
def test_a_packed_file_without_a_byte_is_not_an_empty_text(tmp_path, cached):
    (tmp_path / "x.gz").touch()
    with pytest.raises(ValueError, match="not a whole gzip file: it is empty"):
        LineDataset(tmp_path / "x.gz", tmp_path / "cache" if cached else None)


def test_parts_of_those_who_were_killed_are_swept(tmp_path, english):
    cache = tmp_path / "cache"
    LineDataset(english, cache)
    (index,) = cache.iterdir()
    content = index.read_bytes()
    index.unlink()
    old, new = (Path(f"{index}.{n}.part") for n in range(2))
    for part in (old, new):
        part.write_bytes(content[:50])
    os.utime(old, (0, 0))
    assert texts(LineDataset(english, cache)) == list(ENGLISH)
    assert sorted(cache.iterdir()) == [index, new]  # which may still be written


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="of Linux")
@pytest.mark.parametrize("cached", [False, True])
def test_more_files_than_a_process_may_open_are_told(tmp_path, cached):
    import resource

    paths = [write_lines(tmp_path / str(n), [str(n)]) for n in range(40)]
    cache = tmp_path / "cache" if cached else None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, limits[1]))
    try:
        if cached or sys.version_info < (3, 13):
            with pytest.raises(OSError, match="keeps 40 files open.*`ulimit -n"):
                LineDataset(paths, cache)
        else:
            assert LineDataset(paths)[39] == {"text": "39"}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(LineDataset(paths, cache)) == 40


def test_paths_hold_wherever_the_program_goes(tmp_path, english, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = LineDataset(english.name, "cache")
    monkeypatch.chdir("/")
    assert texts(pickle.loads(pickle.dumps(dataset))) == list(ENGLISH)


def test_bytes_are_read_at_indices_in_range(tmp_path, english):
    dataset = LineDataset(english)
    assert dataset.read_bytes(np.uint8(7)) == ENGLISH[7].encode()
    for index in (-1, 8):
        with pytest.raises(IndexError, match=f"8 samples.* got index {index}"):
            dataset.read_bytes(index)


def test_other_files_may_be_put_in_its_place(tmp_path, english):
    other = write_lines(tmp_path / "other", SPANISH)
    replaced = dataclasses.replace(LineDataset(english), paths=other)
    assert texts(replaced) == list(SPANISH)


def test_many_lines_are_read_at_once_and_a_wrong_one_is_told(tmp_path):
    (tmp_path / "latin").write_bytes("one\naño\n".encode("latin-1"))
    dataset = LineDataset(tmp_path / "latin")
    assert tnt.take(dataset, [0, 0]) == {"text": ["one", "one"]}
    with pytest.raises(ValueError, match="Line 2 of .*latin is not UTF-8"):
        tnt.take(dataset, [0, 1])
    with pytest.raises(TypeError, match="read on the host"):
        jax.jit(dataset.take)(np.arange(2))


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="of Linux")
def test_a_file_whose_size_is_not_what_it_says_is_refused():
    with pytest.raises(ValueError, match="/proc/cpuinfo has .* bytes, not 0"):
        LineDataset("/proc/cpuinfo")


def test_files_are_closed_with_the_dataset(tmp_path, english):
    other = write_lines(tmp_path / "other", SPANISH)

    def read():
        dataset = LineDataset([english, other])
        texts(dataset)
        dataset.read_bytes(len(dataset) - 1)

    assert left_by(read) == []
