"""Archives side by side, as samples with fields."""

import copy
import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.dataset._archives import names_in, write
from tntjax.dataset import BatchDataset, IndexedDataset
from tntjax.iterator import DatasetIterator


@pytest.fixture
def folder(tmp_path):
    """Archives x of uint8 [2], y of int64 [] and text of dicts, each of 6 items."""
    write(tmp_path, "byte", [np.array([n, n + 1], np.uint8) for n in range(6)], "x")
    write(tmp_path, "long", [np.array(n * n) for n in range(6)], "y")
    write(tmp_path, "table", [{"t": "ab"[: n % 3]} for n in range(6)], "text")
    return tmp_path


def test_a_sample_has_the_item_of_each_field(folder):
    dataset = IndexedDataset(["x", "y", "text"], path=folder)
    assert len(dataset) == 6
    sample = dataset[4]
    assert sample["x"].tolist() == [4, 5] and sample["x"].dtype == np.uint8
    assert sample["y"].shape == () and sample["y"] == 16
    assert sample["text"] == {"t": "a"}


@pytest.mark.parametrize("mmap", [True, False])
def test_samples_may_be_written_to_and_the_archive_stays(folder, mmap):
    dataset = IndexedDataset(["x"], path=folder, mmap=mmap)
    dataset[1]["x"][:] = 99
    assert dataset[1]["x"].tolist() == [1, 2]


def test_fields_may_lie_anywhere(folder, tmp_path_factory):
    other = write(tmp_path_factory.mktemp("other"), "char", [np.int8([n]) for n in "1"])
    dataset = IndexedDataset({"a": dict(zip(("idx", "bin"), other, strict=True))})
    assert dataset[0]["a"].tolist() == [1]


def test_names_may_be_paths(folder):
    index, data = folder / "x.idx", folder / "x.bin"
    dataset = IndexedDataset({"a": {"idx": index, "bin": data}})
    assert dataset[5]["a"].tolist() == [5, 6]


def test_standalone_samples_are_the_items(folder):
    dataset = IndexedDataset(["x"], path=str(folder), standalone=True)
    assert dataset[3].tolist() == [3, 4]
    assert dataset.take([[5, 0]]).tolist() == [[[5, 6], [0, 1]]]


def test_standalone_tables_are_stacked(folder):
    dataset = IndexedDataset(["text"], path=folder, standalone=True)
    assert dataset[2] == {"t": "ab"}
    assert dataset.take([2, 1, 0]) == {"t": ["ab", "a", ""]}


@pytest.mark.parametrize(("most", "length"), [(None, 6), (1, 1), (6, 6), (7, 6)])
def test_max_load_keeps_the_first(folder, most, length):
    dataset = IndexedDataset(["x", "y"], path=folder, max_load=most)
    assert (len(dataset), dataset.uniform_length) == (length, length)
    assert dataset[length - 1]["y"] == (length - 1) ** 2
    with pytest.raises(IndexError, match=f"has {length} samples.*got index {length}"):
        dataset[length]


@pytest.mark.parametrize("mmap", [True, False])
def test_take_stacks_each_field(folder, mmap):
    batch = IndexedDataset(["x", "y", "text"], path=folder, mmap=mmap).take([5, 0, 4])
    assert batch["x"].tolist() == [[5, 6], [0, 1], [4, 5]]
    assert batch["y"].tolist() == [25, 0, 16]
    assert batch["text"] == {"t": ["ab", "", "a"]}


def test_take_of_nothing_has_the_shapes_of_samples(folder):
    batch = IndexedDataset(["x", "text"], path=folder).take([])
    assert (batch["x"].shape, batch["x"].dtype) == ((0, 2), np.uint8)
    assert batch["text"] == {"t": []}


def test_batches_in_order_may_be_written_to(folder):
    batches = BatchDataset(IndexedDataset(["x"], path=folder), 3)
    for _ in range(2):
        batch = batches[0]
        batch["x"] += 1
        assert batch["x"].tolist() == [[1, 2], [2, 3], [3, 4]]


def test_takes_jax_indices_that_are_not_traced(folder):
    dataset = IndexedDataset(["y"], path=folder)
    assert dataset.take(jnp.array([2, 3]))["y"].tolist() == [4, 9]
    assert dataset[jnp.array(2)]["y"] == 4


@pytest.mark.parametrize("read", [lambda d, i: d[i], lambda d, i: d.take(i)])
def test_a_traced_index_is_an_error(folder, read):
    dataset = IndexedDataset(["y"], path=folder)
    with pytest.raises(TypeError, match="IndexedDataset is read on the host"):
        jax.jit(lambda index: read(dataset, index))(0)


def test_items_of_other_shapes_cannot_be_stacked(folder):
    write(folder, "byte", [np.zeros(n, np.uint8) for n in (2, 2, 3)], "ragged")
    dataset = IndexedDataset(["ragged"], path=folder)
    assert dataset.uniform_length == 2
    assert dataset.take([0, 1])["ragged"].shape == (2, 2)
    with pytest.raises(ValueError, match="ragged"):
        dataset.take([1, 2])


def test_goes_through_an_iterator_in_batches(folder):
    dataset = IndexedDataset(["x", "y"], path=folder)
    batches = list(DatasetIterator(BatchDataset(dataset, 4)))
    assert [batch["y"].tolist() for batch in batches] == [[0, 1, 4, 9], [16, 25]]


@pytest.mark.parametrize("again", [lambda d: pickle.loads(pickle.dumps(d)), copy.copy])
@pytest.mark.parametrize("alone", [True, False])
def test_copies_read_the_same_files(folder, again, alone):
    names = dict(zip(("idx", "bin"), names_in(folder), strict=True))
    dataset = IndexedDataset({"x": names}, max_load=4, mmap=False, standalone=alone)
    other = again(dataset)
    assert (len(other), other.fields, repr(other)) == (4, dataset.fields, repr(dataset))
    assert jax.tree.all(jax.tree.map(np.array_equal, other[3], dataset[3]))


@pytest.mark.parametrize("named", [True, False])
def test_replace_opens_again(folder, named):
    pair = dict(zip(("idx", "bin"), names_in(folder), strict=True))
    fields, path = (["x"], folder) if named else ({"x": pair}, None)
    dataset = IndexedDataset(fields, path=path)
    assert len(dataclasses.replace(dataset, max_load=2)) == 2


def test_the_repr_says_what_is_read(folder):
    shown = repr(IndexedDataset(["x"], path=str(folder), standalone=True))
    assert shown == (
        f"IndexedDataset(['x'], path={str(folder)!r}, standalone=True: 6 samples)"
    )


PAIR = {"idx": "x.idx", "bin": "x.bin"}


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ([], {"path": "."}, r"needs a field, got \[\]"),
        ({}, {}, r"needs a field, got \[\]"),
        (["x", "y"], {"path": ".", "standalone": True}, "exactly one field, got"),
        (["x"], {"path": ".", "max_load": 0}, "max_load >= 1 or None, got 0"),
        (["x"], {"path": ".", "max_load": -3}, "max_load >= 1 or None, got -3"),
        (["x", "y", "x"], {"path": "."}, r"each field once, got \['x', 'y', 'x'\]"),
        ([("x", PAIR), ("x", PAIR)], {}, r"each field once, got \[\('x', "),
        (["x", "short"], {"path": "."}, r"equal lengths, got {'x': 6, 'short': 1}"),
    ],
    ids=str,
)
def test_refuses_values(folder, monkeypatch, fields, options, message):
    write(folder, "byte", [np.zeros(1, np.uint8)], "short")
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=message):
        IndexedDataset(fields, **options)


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ("x", "folder", r"path=\.\.\. needs a list of names, got"),
        ([1], "folder", r"path=\.\.\. needs a list of names, got"),
        ({"x": {}}, "folder", r"path=\.\.\. needs a list of names, got"),
        (["x"], None, r'without path=\.\.\. needs {name: {"idx": file, "bin": file}}'),
        ({"x": {"idx": "x.idx"}}, None, r"without path=\.\.\. needs"),
        ({"x": {"idx": 1, "bin": 2}}, None, r"without path=\.\.\. needs"),
        (None, None, r"without path=\.\.\. needs"),
    ],
    ids=str,
)
def test_refuses_types(fields, path, message):
    with pytest.raises(TypeError, match=message):
        IndexedDataset(fields, path=path)


@pytest.mark.parametrize("most", ["3", 2.0, True])
def test_max_load_is_an_integer(folder, most):
    message = f"IndexedDataset needs an integer max_load or None, got {most!r}"
    with pytest.raises(TypeError, match=message):
        IndexedDataset(["x"], path=folder, max_load=most)


def test_a_missing_archive_is_named(folder):
    with pytest.raises(FileNotFoundError, match=r"z\.idx"):
        IndexedDataset(["x", "z"], path=folder)
