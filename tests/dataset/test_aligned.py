"""Large batches begin where JAX on a CPU reads them without a copy."""

import jax
import numpy as np
import pytest

import tntjax as tnt
from tntjax._array import ALIGNMENT, empty_aligned

INPUT = np.random.default_rng(0).normal(size=(300, 100)).astype(np.float32)
TABLE = tnt.TableDataset({"input": INPUT, "target": np.arange(300)})
HALVES = [tnt.TableDataset({"input": part}) for part in (INPUT[:100], INPUT[100:])]
DATASETS = {
    "table": TABLE,
    "array": INPUT,
    "list": [{"input": row} for row in INPUT],
    "batches": tnt.BatchDataset(TABLE, 100),
    "shuffled": tnt.ShuffleDataset(TABLE, 0),
    "parts": tnt.ConcatDataset(HALVES),
}


def is_aligned(array):
    return array.ctypes.data % ALIGNMENT == 0


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_taken_is_aligned_and_as_one_by_one(name):
    dataset = DATASETS[name]
    indices = np.arange(len(dataset))[::-1]
    expected = [jax.tree.leaves(dataset[index])[0] for index in indices.tolist()]
    # Several that live at once: one alone is aligned by chance in one of four.
    batches = [jax.tree.leaves(tnt.take(dataset, indices))[0] for _ in range(6)]
    for batch in batches:
        assert is_aligned(batch)
        np.testing.assert_array_equal(batch, np.stack(expected))


def test_chunks_of_an_iterator_are_aligned():
    iterator = tnt.DatasetIterator(tnt.BatchDataset(TABLE, 50))
    chunks = [
        chunk
        for _ in range(6)
        for chunk in iterator.chunks(0, 0, lambda position, size, length=None: 6)
    ]
    padded = [chunk.padded(9).xs["input"] for chunk in chunks]
    assert all(is_aligned(chunk.xs["input"]) for chunk in chunks)
    assert all(is_aligned(rows) and not rows[6:].any() for rows in padded)


def test_records_of_an_archive_are_aligned(tmp_path):
    names = tmp_path / "input.idx", tmp_path / "input.bin"
    with tnt.IndexedDatasetWriter(*names, "float") as writer:
        for row in INPUT:
            writer.add(row)
    dataset = tnt.IndexedDataset(["input"], path=tmp_path)
    batches = [dataset.take(np.arange(300))["input"] for _ in range(6)]
    for batch in batches:
        assert is_aligned(batch)
        np.testing.assert_array_equal(batch, INPUT)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "float16", "complex128", "S3", "M8[s]"]
)
def test_any_dtype_has_its_shape(dtype):
    array = empty_aligned((1000, 100), dtype)
    assert array.shape == (1000, 100) and array.dtype == dtype
    assert is_aligned(array) and array.flags.writeable and array.flags.c_contiguous


def test_objects_and_nothing_are_plain_arrays():
    assert empty_aligned((100_000,), object)[0] is None
    assert empty_aligned((0, 5), "f4").shape == (0, 5)
    words = np.array(["a", "b" * 50], dtype=np.dtypes.StringDType())
    rows = np.arange(10_000) % 2
    assert tnt.take(words, rows)[:2].tolist() == ["a", "b" * 50]
