"""Writing archives: what is accepted, and what a failure in the middle leaves."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax.dataset.indexed._writer as writer_module
from tests.dataset._archives import contents, names_in, put, write
from tntjax.dataset import IndexedDatasetReader, IndexedDatasetWriter


def read(names):
    return [item.tolist() for item in IndexedDatasetReader(*names)]


def test_appends_behind_what_is_there(tmp_path):
    first, second = np.int16([[1, 2]]), np.int16([3])
    names = write(tmp_path, "short", [first])
    with IndexedDatasetWriter(*names) as writer:
        assert (writer.kind, len(writer)) == ("short", 1)
        writer.add(second)
        assert len(writer) == 2
    assert read(names) == [[[1, 2]], [3]]
    assert contents(names) == contents(write(tmp_path, "short", [first, second], "y"))


def test_appending_nothing_changes_nothing(tmp_path):
    names = write(tmp_path, "double", [np.zeros(3), np.ones(())])
    before = contents(names)
    IndexedDatasetWriter(*names).close()
    assert contents(names) == before


def test_appends_to_an_empty_archive(tmp_path):
    names = write(tmp_path, "int", [])
    with IndexedDatasetWriter(*names) as writer:
        writer.add(np.int32([7]))
    assert read(names) == [[7]]


def test_a_kind_begins_anew_and_readers_keep_the_old(tmp_path):
    names = write(tmp_path, "int", [np.int32([1, 2, 3])] * 2)
    reader = IndexedDatasetReader(*names)
    write(tmp_path, "byte", [np.uint8([9])])
    assert read(names) == [[9]]
    assert [item.tolist() for item in reader] == [[1, 2, 3]] * 2


def test_what_cannot_be_written_takes_nothing_away(tmp_path):
    index, data = write(tmp_path, "int", [np.int32([1])])
    before = contents((index, data))
    with pytest.raises(OSError):
        IndexedDatasetWriter(index, tmp_path / "no folder" / "x.bin", "int")
    with pytest.raises(OSError):
        IndexedDatasetWriter(index, tmp_path, "int")
    with pytest.raises(ValueError, match="needs two files"):
        IndexedDatasetWriter(data, data, "int")
    assert contents((index, data)) == before


def test_leaves_only_the_archive(tmp_path):
    write(tmp_path, "int", [np.int32([1])])
    assert sorted(os.listdir(tmp_path)) == ["x.bin", "x.idx"]


def test_accepts_arrays_of_jax(tmp_path):
    names = write(tmp_path, "float", [jnp.array([1.5, 2.0])])
    assert read(names) == [[1.5, 2.0]]


def test_tables_come_back(tmp_path):
    value = {"caption": "a cat", "box": np.array([0.5, 1.0]), "more": [1, None, True]}
    names = write(tmp_path, "table", [value, [], "text", 2.0])
    first, *others = IndexedDatasetReader(*names)
    assert first["box"].tolist() == [0.5, 1.0]
    assert (first["caption"], first["more"]) == ("a cat", [1.0, None, True])
    assert others == [[], "text", 2.0]


def test_the_bytes_of_a_file_are_an_item(tmp_path):
    file = tmp_path / "raw"
    file.write_bytes(bytes([1, 0, 2, 0]))
    names = names_in(tmp_path)
    with IndexedDatasetWriter(*names, "short") as writer:
        writer.add_file(file)
        file.write_bytes(b"")
        writer.add_file(file)
        file.write_bytes(b"123")
        with pytest.raises(ValueError, match="raw has 3 bytes, no multiple of the 2"):
            writer.add_file(file)
    assert read(names) == [[1, 2], []]


@pytest.mark.parametrize(
    ("kind", "item", "message"),
    [
        ("float", np.zeros(2), r"holds 'float': arrays of float32, got float64\[2\]"),
        ("byte", np.zeros(2, np.int8), "arrays of uint8, got int8"),
        ("char", np.zeros(2, bool), "arrays of int8, got bool"),
        ("long", 3, r"got .*3.*Convert it: np\.asarray\(item, np\.int64\)"),
        ("long", [1, 2], r"Convert it: np\.asarray\(item, np\.int64\)"),
        ("int", "text", "arrays of int32"),
        ("table", b"bytes", "A table holds"),
        ("table", {"f": len}, "A table holds"),
    ],
)
def test_refuses_items_and_goes_on(tmp_path, kind, item, message):
    names = names_in(tmp_path)
    with IndexedDatasetWriter(*names, kind) as writer:
        with pytest.raises(TypeError, match=message):
            writer.add(item)
        assert len(writer) == 0
    assert read(names) == []


@pytest.mark.parametrize("kind", ["Float", "", 3, ["int"]])
def test_refuses_unknown_kinds(tmp_path, kind):
    names = names_in(tmp_path)
    with pytest.raises(ValueError, match="needs a kind of .*'byte'"):
        IndexedDatasetWriter(*names, kind)
    assert os.listdir(tmp_path) == []


def test_there_must_be_something_to_append_to(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.idx"):
        IndexedDatasetWriter(*names_in(tmp_path))
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_written_leaves_no_journal(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        IndexedDatasetWriter(tmp_path / "x.idx", tmp_path / "nowhere" / "x.bin", "int")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0"])
def test_does_not_append_to_what_is_damaged(tmp_path, change):
    names = write(tmp_path, "int", [np.int32([1, 2])])
    index, data = contents(names)
    put(names, index, change(data))
    with pytest.raises(ValueError, match="recover"):
        IndexedDatasetWriter(*names)
    assert contents(names) == [index, change(data)]


@pytest.mark.parametrize("kind", ["int", None])
def test_there_is_one_writer_at_a_time(tmp_path, kind):
    names = write(tmp_path, "int", [np.int32([5])])
    with IndexedDatasetWriter(*names) as writer:
        with pytest.raises(
            ValueError, match=r"There is .*x\.idx\.part: a writer is st"
        ):
            IndexedDatasetWriter(*names, kind)
        writer.add(np.int32([6]))
    assert read(names) == [[5], [6]]


def test_an_archive_whose_writer_is_open_is_not_there_yet(tmp_path):
    names = names_in(tmp_path)
    with IndexedDatasetWriter(*names, "int"):
        with pytest.raises(ValueError, match="not there yet: its writer is still open"):
            IndexedDatasetReader(*names)
    assert len(IndexedDatasetReader(*names)) == 0


def test_closed_is_closed(tmp_path):
    writer = IndexedDatasetWriter(*names_in(tmp_path), "int")
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match=r"The writer of .*x\.idx is closed"):
        writer.add(np.int32([1]))
    with writer:  # leaves it as it is
        pass


def test_the_repr_says_what_is_written(tmp_path):
    names = names_in(tmp_path)
    with IndexedDatasetWriter(*names, "int") as writer:
        writer.add(np.int32([1]))
        shown = f"IndexedDatasetWriter({names[0]!r}, {names[1]!r}, 'int': 1 items)"
        assert repr(writer) == shown


def test_threads_may_add_to_one_writer(tmp_path):
    names = names_in(tmp_path)
    together = threading.Barrier(4)

    def add(number):
        together.wait()
        for _ in range(100):
            writer.add(np.full(number + 1, number, np.int32))

    with IndexedDatasetWriter(*names, "int") as writer, ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    items = read(names)
    assert all(item == [item[0]] * (item[0] + 1) for item in items)
    assert sorted(item[0] for item in items) == sorted([0, 1, 2, 3] * 100)


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_what_fails_in_the_middle_was_never_added(tmp_path, monkeypatch, call, error):
    """Of an item half of the data, or all and half of what is noted, is written."""
    names, write_all, calls = names_in(tmp_path), writer_module._write_all, []

    def write_half(file, data):
        calls.append(file)
        if len(calls) == call:
            file.write(memoryview(data)[: len(data) // 2])
            raise error
        write_all(file, data)

    with IndexedDatasetWriter(*names, "int") as writer:
        writer.add(np.int32([1, 2]))
        with monkeypatch.context() as patch:
            patch.setattr(writer_module, "_write_all", write_half)
            with pytest.raises(type(error)):
                writer.add(np.int32([3, 4, 5]))
        assert len(writer) == 1
        writer.add(np.int32([[6]]))
        writer._close_files()  # so the index is made of the journal
    assert IndexedDatasetWriter.recover(*names) == 2
    assert read(names) == [[1, 2], [[6]]]


@pytest.mark.parametrize("item", [np.int32([1, 2]), np.zeros(0, np.int32)], ids=len)
@pytest.mark.parametrize("close", [True, False])
def test_an_interrupt_when_all_is_written_undoes_it(tmp_path, monkeypatch, item, close):
    names = names_in(tmp_path)
    writer = IndexedDatasetWriter(*names, "int")
    append = writer._entries.append

    def append_and_stop(shape, stop):
        append(shape, stop)
        raise KeyboardInterrupt

    monkeypatch.setattr(writer._entries, "append", append_and_stop)
    with pytest.raises(KeyboardInterrupt):
        writer.add(item)
    monkeypatch.undo()
    if close:
        writer.add(np.int32([3]))
        writer.close()
    else:
        writer._close_files()
        IndexedDatasetWriter.recover(*names)
    assert read(names) == ([[3]] if close else [])


def test_data_is_written_in_parts_if_need_be(tmp_path):
    class Slow:
        def __init__(self):
            self.got = b""

        def write(self, data):
            self.got += bytes(data[:3])
            return min(3, len(data))

    file = Slow()
    writer_module._write_all(file, b"12345678")
    assert file.got == b"12345678"


def test_an_exception_leaves_the_items_to_be_saved(tmp_path):
    names = names_in(tmp_path)
    with pytest.raises(LookupError) as caught:
        with IndexedDatasetWriter(*names, "int") as writer:
            writer.add(np.int32([1]))
            raise LookupError
    (note,) = caught.value.__notes__
    assert "The items so far, 1, can be saved: IndexedDatasetWriter.recover(" in note
    assert not os.path.exists(names[0])
    assert IndexedDatasetWriter.recover(*names) == 1
    assert read(names) == [[1]]


def test_an_exception_behind_close_adds_no_note(tmp_path):
    with pytest.raises(LookupError) as caught:
        with IndexedDatasetWriter(*names_in(tmp_path), "int") as writer:
            writer.close()
            raise LookupError
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("old", [True, False])
def test_links_are_followed(tmp_path, old):
    far, near = tmp_path / "far", tmp_path / "near"
    far.mkdir(), near.mkdir()
    names, links = names_in(far), names_in(near)
    if old:
        write(far, "int", [np.int32([7])])
    for name, link in zip(names, links, strict=True):
        os.symlink(name, link)
    writer = IndexedDatasetWriter(*links, "int")
    writer.add(np.int32([1, 2]))
    with pytest.raises(ValueError, match="a writer is still open"):
        IndexedDatasetWriter(*names, "int")
    writer.close()
    with IndexedDatasetWriter(*links) as writer:
        writer.add(np.int32([3]))
    assert all(map(os.path.islink, links)) and not any(map(os.path.islink, names))
    assert sorted(os.listdir(near)) == sorted(os.listdir(far)) == ["x.bin", "x.idx"]
    for pair in (names, links):
        assert [x.tolist() for x in IndexedDatasetReader(*pair)] == [[1, 2], [3]]


def test_what_a_crash_leaves_is_recovered_by_a_link(tmp_path):
    names = names_in(tmp_path)
    links = names_in(tmp_path, "link")
    for name, link in zip(names, links, strict=True):
        os.symlink(name, link)
    with pytest.raises(KeyError), IndexedDatasetWriter(*links, "int") as writer:
        writer.add(np.int32([1]))
        raise KeyError
    assert IndexedDatasetWriter.recover(*links) == 1
    assert IndexedDatasetReader(*names)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((0, 2**60), False), ((2**30, 0, 2**30), False), ((0, 2**59), True), ((0,), True)],
)
def test_what_is_written_can_be_read(tmp_path, shape, fits):
    names, item = names_in(tmp_path), np.zeros(shape, np.uint8)
    with IndexedDatasetWriter(*names, "byte") as writer:
        writer.add(np.uint8([7]))
        if fits:
            writer.add(item)
        else:
            with pytest.raises(ValueError, match=r"at most 2\*\*59 elements, .* got"):
                writer.add(item)
    reader = IndexedDatasetReader(*names)
    assert [item.shape for item in reader] == [(1,), shape][: 1 + fits]
