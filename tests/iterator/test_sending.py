"""What is sent to a worker's process: maps of files are opened there."""

import os
import pickle

import numpy as np
import pytest

import tntjax as tnt
from tntjax.iterator.workers._sending import pack_content

ROWS = np.arange(24_000, dtype=np.int32).reshape(20, 1200)
SMALL = 1000  # bytes; the array has 96,000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rows.bin"
    ROWS.tofile(path)
    return path


def mapped(path, mode="r", **kwargs):
    return np.memmap(path, np.int32, mode, **{"shape": ROWS.shape} | kwargs)


VIEWS = {
    "whole": lambda path: mapped(path),
    "with an offset": lambda path: mapped(path, offset=4800, shape=(19, 1200)),
    "part": lambda path: mapped(path)[5:],
    "part of a part": lambda path: mapped(path)[5:][2:4, 7:],
    "in steps": lambda path: mapped(path)[::2, ::-3],
    "transposed": lambda path: mapped(path, offset=4800, shape=(19, 1200))[3:].T,
    "as an array": lambda path: np.asarray(mapped(path)),
    "as bytes": lambda path: mapped(path).view(np.uint8),
    "writable": lambda path: mapped(path, "r+"),
    "in Fortran's order": lambda path: mapped(path, order="F"),
    "path": lambda path: mapped(str(path)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_map_is_opened_and_not_copied(name, path):
    array = VIEWS[name](path)
    pickled = pack_content(array)
    assert len(pickled) < SMALL
    again = pickle.loads(pickled)
    assert type(again) is type(array)
    assert again.dtype == array.dtype
    assert again.strides == array.strides
    assert again.flags.writeable == array.flags.writeable
    np.testing.assert_array_equal(again, array)
    assert len(pack_content(again)) < SMALL  # and once more


def test_a_file_that_was_made_by_its_map_is_not_made_anew(tmp_path):
    array = np.memmap(tmp_path / "new.bin", np.int32, "w+", shape=(2000,))
    array[:] = 7
    pickled = pack_content(array)
    assert len(pickled) < SMALL
    assert (pickle.loads(pickled) == 7).all()
    assert (array == 7).all()


def test_what_is_in_no_file_is_copied(path):
    changed = mapped(path, "c")
    changed[0] = -1
    gone = mapped(path)
    computed = gone + 1
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:
        unnamed = np.memmap(file, np.int32, "r")
    os.remove(path)
    for array in (changed, gone, computed, unnamed, gone[:0]):
        again = pickle.loads(pack_content(array))
        np.testing.assert_array_equal(again, array)


@pytest.mark.slow
def test_a_dataset_over_a_map_of_a_file(path):
    dataset = tnt.BatchDataset(tnt.TableDataset({"input": mapped(path)}), 8)
    assert len(pack_content(dataset)) < 2 * SMALL
    with tnt.ParallelDatasetIterator(dataset, 1, backend="process") as iterator:
        batches = [batch["input"] for batch in iterator]
    np.testing.assert_array_equal(np.concatenate(batches), ROWS)
