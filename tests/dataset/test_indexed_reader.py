"""One archive, read by many at once, alike in each way."""

import gc
import multiprocessing
import operator
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import jax
import numpy as np
import pytest

from tests.dataset._archives import names_in, write
from tntjax.dataset import (
    BatchDataset,
    IndexedDataset,
    IndexedDatasetReader,
    IndexedDatasetWriter,
    take,
)


def items_of(count):
    """Arrays whose shapes and values tell which they are."""
    return [np.full((n % 3 + 1, n % 2 + 1), n, np.int32) for n in range(count)]


@pytest.fixture
def names(tmp_path):
    return write(tmp_path, "int", items_of(60))


@pytest.fixture(params=["preadv", "no preadv"])
def way(request, monkeypatch):
    """Each way to read, as whether to pass `mmap`, which changes nothing."""
    if request.param == "no preadv":
        monkeypatch.delattr(os, "preadv")
    return request.param == "preadv"


def test_reads_alike_in_each_way(names, way):
    reader = IndexedDatasetReader(*names, way)
    for item, expected in zip(reader, items_of(60), strict=True):
        assert item.dtype == expected.dtype
        assert item.tolist() == expected.tolist()
        assert item.flags.writeable


@pytest.mark.parametrize("indices", [[7, 1, 55, 31], [6, 12, 18], [12], []])
def test_takes_alike_in_each_way(names, way, indices):
    reader = IndexedDatasetReader(*names, way)
    expected = [items_of(60)[n].tolist() for n in indices]
    assert reader.take(indices).tolist() == expected


def test_takes_items_of_one_shape_alike_in_each_way(tmp_path, way):
    rows = np.arange(200, dtype=np.int16).reshape(100, 2)
    reader = IndexedDatasetReader(*write(tmp_path, "short", rows), way)
    assert reader.uniform_length == 100
    for indices in (np.arange(100), np.arange(99, -1, -1), [[3, 4], [5, 6]], 99):
        assert reader.take(indices).tolist() == rows[indices].tolist()


@pytest.mark.parametrize(
    "indices", [np.arange(100), [3, 4, 5], [7, 7], [9, 1, 2, 3, 0]], ids=str
)
def test_batches_are_arrays_of_their_own(tmp_path, indices):
    rows = np.arange(200, dtype=np.int16).reshape(100, 2)
    reader = IndexedDatasetReader(*write(tmp_path, "short", rows))
    batch = reader.take(indices)
    batch += 1
    assert batch.tolist() == (rows[indices] + 1).tolist()
    assert reader.take(indices).tolist() == rows[indices].tolist()


def test_items_of_another_shape_cannot_be_stacked(names):
    with pytest.raises(ValueError, match="shape"):
        IndexedDatasetReader(*names).take([0, 1])


def test_items_with_as_many_elements_and_another_shape_cannot_be_stacked(tmp_path):
    items = [np.zeros((2, 3), np.int8), np.zeros((3, 2), np.int8), np.zeros(6, np.int8)]
    reader = IndexedDatasetReader(*write(tmp_path, "char", items))
    for pair in ([0, 1], [1, 2]):
        with pytest.raises(ValueError, match="shape"):
            reader.take(pair)


def test_items_without_elements_are_stacked(tmp_path, way):
    items = [np.zeros((0, 3), np.int8)] * 3 + [np.zeros((1, 3), np.int8)]
    reader = IndexedDatasetReader(*write(tmp_path, "char", items), way)
    assert reader.take([0, 1, 2]).shape == (3, 0, 3)
    assert reader.take([2, 0]).shape == (2, 0, 3)


def test_tables_are_read_and_stacked(tmp_path, way):
    tables = [{"n": n, "x": np.arange(3) + n} for n in range(3)]
    reader = IndexedDatasetReader(*write(tmp_path, "table", tables), way)
    assert reader[2]["x"].tolist() == [2, 3, 4]
    assert reader.take([2, 0])["x"].tolist() == [[2, 3, 4], [0, 1, 2]]
    assert (reader.kind, reader.uniform_length) == ("table", 0)


def test_a_table_that_is_code_is_refused_and_named(tmp_path):
    dump = tmp_path / "dump"
    dump.write_bytes(bytes.fromhex("08000000 01000000 00000000"))
    names = names_in(tmp_path)
    with IndexedDatasetWriter(*names, "table") as writer:
        writer.add([1])
        writer.add_file(dump)
    reader = IndexedDatasetReader(*names)
    assert reader[0] == [1.0]
    with pytest.raises(ValueError, match="Lua function is stored here") as caught:
        reader[1]
    assert caught.value.__notes__ == [f"Item 1 of {names[1]}."]


def test_many_threads_read_one_reader(names, way):
    reader, expected = IndexedDatasetReader(*names, way), items_of(60)
    orders = [np.random.default_rng(seed).permutation(60).tolist() for seed in range(8)]
    together = threading.Barrier(8)

    def read(order):
        together.wait()
        return [reader[index] for _ in range(20) for index in order]

    with ThreadPoolExecutor(8) as pool:
        for order, items in zip(orders, pool.map(read, orders), strict=True):
            for index, item in zip(order * 20, items, strict=True):
                assert np.array_equal(item, expected[index])


@pytest.mark.slow
@pytest.mark.parametrize("mmap", [True, False])
def test_spawned_processes_read_one_dataset(names, tmp_path, mmap):
    reader = IndexedDatasetReader(*names, mmap)
    dataset = IndexedDataset(["x"], path=tmp_path, mmap=mmap)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn) as pool:
        items = list(pool.map(partial(operator.getitem, reader), range(60)))
        batches = pool.submit(take, dataset, [1, 7, 13]).result()
    assert all(map(np.array_equal, items, items_of(60)))
    assert batches["x"].tolist() == [items_of(60)[n].tolist() for n in (1, 7, 13)]


def test_a_pickle_holds_names_and_not_the_data(tmp_path):
    names = write(tmp_path, "byte", [np.zeros(100_000, np.uint8)])
    pickled = pickle.dumps(IndexedDatasetReader(*names))
    assert len(pickled) < 2000
    assert pickle.loads(pickled)[0].shape == (100_000,)


def test_unpickling_checks_again(names):
    pickled = pickle.dumps(IndexedDatasetReader(*names))
    with open(names[1], "ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match=r"x\.bin has \d+ bytes, but"):
        pickle.loads(pickled)


@pytest.mark.parametrize("shape", [(3, 2), (6,)], ids=str)
@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader[1999],
        lambda reader: reader.take([1998, 1999]),
        lambda reader: reader.take([1999, 3, 1000]),
        lambda reader: reader.take(np.arange(2000)),
        lambda reader: list(BatchDataset(reader, 64)),
        lambda reader: list(reader),
    ],
    ids=["item", "neighbours", "some", "all", "batches", "iterating"],
)
def test_data_that_is_cut_while_it_is_open_is_an_error(tmp_path, shape, mmap, read):
    names = write(tmp_path, "int", [np.full(shape, n, np.int32) for n in range(2000)])
    reader = IndexedDatasetReader(*names, mmap)
    os.truncate(names[1], 5000)
    assert reader[10].ravel()[0] == 10
    with pytest.raises(ValueError, match=r"x\.bin was cut while it was open"):
        read(reader)
    os.truncate(names[1], 0)
    with pytest.raises(ValueError, match="was cut while it was open: it has 0 bytes"):
        reader[0]


@pytest.mark.parametrize("kind", ["int", "table"])
def test_an_index_that_is_cut_while_it_is_open_is_not_needed(tmp_path, kind):
    items = {"int": items_of(3000), "table": [{"n": n} for n in range(3000)]}[kind]
    names = write(tmp_path, kind, items)
    reader = IndexedDatasetReader(*names)
    os.truncate(names[0], 0)
    for index in (0, 1500, 2999):
        read = reader[index]["n"] if kind == "table" else reader[index].ravel()[0]
        assert read == index


def test_reads_may_come_in_parts(names, monkeypatch):
    whole = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda f, b, at: whole(f, [memoryview(b[0]).cast("B")[:3]], at)
    )
    reader = IndexedDatasetReader(*names, False)
    assert all(map(np.array_equal, reader, items_of(60)))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux")
def test_files_are_closed_with_the_reader(names):
    def opened():
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return [
            link
            for link in links
            if os.path.exists(link) and os.path.samefile(link, names[1])
        ]

    reader = IndexedDatasetReader(*names)
    assert len(opened()) == 1
    del reader
    gc.collect()
    assert not opened()


def test_names_may_be_paths(tmp_path):
    names = write(tmp_path, "int", items_of(2))
    reader = IndexedDatasetReader(tmp_path / "x.idx", tmp_path / "x.bin")
    assert repr(reader) == f"IndexedDatasetReader({names[0]!r}, {names[1]!r})"
    assert len(reader) == 2


@pytest.mark.parametrize("index", [-1, 60, np.int64(60), 2**70])
def test_an_index_out_of_range_is_an_error(names, index):
    reader = IndexedDatasetReader(*names)
    with pytest.raises(IndexError, match=f"has 60 samples.*got index {index}"):
        reader[index]


@pytest.mark.parametrize("read", [lambda d, i: d[i], lambda d, i: d.take(i)])
def test_a_traced_index_is_an_error(names, read):
    reader = IndexedDatasetReader(*names)
    with pytest.raises(TypeError, match="IndexedDatasetReader is read on the host"):
        jax.jit(lambda index: read(reader, index))(0)


def test_as_many_numbers_in_other_shapes_do_not_stack(tmp_path):
    items = [np.zeros((2, 3), np.int32), np.zeros((3, 2), np.int32)]
    reader = IndexedDatasetReader(*write(tmp_path, "int", items))
    with pytest.raises(ValueError, match=r"shape"):
        take(reader, [0, 1])
    assert take(reader, [1, 1]).shape == (2, 3, 2)
