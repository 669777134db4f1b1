import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import TableDataset, take


def table():
    return TableDataset({"input": np.arange(6).reshape(3, 2), "target": np.arange(3)})


def test_a_sample_is_a_row():
    sample = table()[1]
    assert sample["input"].tolist() == [2, 3]
    assert sample["target"] == 1


def test_its_length_is_that_of_the_arrays():
    assert len(table()) == 3


def test_a_sample_is_a_copy():
    dataset = table()
    dataset[0]["input"][:] = 9
    assert dataset[0]["input"].tolist() == [0, 1]


def packed(array):
    fields = np.dtype([("kind", np.uint8), ("value", array.dtype, array.shape[1:])])
    records = np.zeros(len(array), fields)
    records["value"] = array
    return records["value"]


@pytest.mark.parametrize("axes", [(5,), (5, 4)])
@pytest.mark.parametrize("indices", [3, [3, 0], [[1], [4]], []])
@pytest.mark.parametrize(
    "order", [np.asfortranarray, lambda array: array.repeat(2, -1)[..., ::2], packed]
)
def test_rows_of_any_order_of_memory_are_the_same(order, indices, axes):
    plain = np.arange(np.prod(axes), dtype=np.float32).reshape(axes)
    rows = take(TableDataset(order(plain)), np.array(indices, int))
    assert np.array_equal(rows, plain[np.array(indices, int)])
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous


def test_objects_of_any_order_of_memory_are_the_same():
    words = np.array(["a", 0, ["b"], 0], object)[::2]
    assert TableDataset(words)[1] == ["b"]


@pytest.mark.parametrize("order", [np.asfortranarray, packed])
def test_of_an_array_in_another_order_rows_alone_are_copied(order):
    dataset = TableDataset(order(np.zeros((1 << 20, 8), np.uint8)))
    tracemalloc.start()
    sample, batch = dataset[7], dataset.take([[7, 8], [9, 1]])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (sample.shape, batch.shape) == ((8,), (2, 2, 8))
    assert most < 1 << 20


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (2, 2),
        ([2, 0], [2, 0]),
        ([[0, 1], [2, 2]], [[0, 1], [2, 2]]),
        (np.array([1], np.uint8), [1]),
        ([], []),
        (np.zeros((0, 2), int), []),
    ],
    ids=str,
)
def test_take_gathers_rows_in_the_shape_of_the_indices(indices, expected):
    batch = table().take(indices)
    assert batch["target"].tolist() == expected
    assert batch["input"].shape == (*np.shape(indices), 2)


@pytest.mark.parametrize(
    ("data", "sample"),
    [
        (np.arange(3) * 10, 10),
        ((np.arange(3), np.arange(3) * 2), (1, 2)),
        ({"a": {"b": np.arange(3)}}, {"a": {"b": 1}}),
        ({"a": np.arange(3), "b": None}, {"a": 1, "b": None}),
    ],
    ids=str,
)
def test_data_is_an_array_or_dicts_and_tuples_of_arrays(data, sample):
    assert TableDataset(data)[1] == sample


def test_on_a_device_arrays_are_gathered_there():
    sample = jax.device_put(table()).take(np.array([2]))
    assert isinstance(sample["input"], jax.Array)
    assert sample["input"].tolist() == [[4, 5]]


def test_on_a_device_the_index_may_be_traced():
    read = jax.jit(lambda dataset, index: dataset[index])
    assert read(jax.device_put(table()), 2)["input"].tolist() == [4, 5]


def test_arrays_on_the_host_take_jax_indices_that_are_not_traced():
    assert table().take(jnp.array([1, 2]))["target"].tolist() == [1, 2]


def test_arrays_on_the_host_refuse_a_traced_index():
    dataset = table()
    with pytest.raises(TypeError, match=r"TableDataset holds NumPy .*device_put"):
        jax.jit(lambda index: dataset[index])(0)


def test_take_is_one_gather_a_leaf():
    read = jax.jit(lambda dataset, indices: dataset.take(indices))
    program = str(read.trace(jax.device_put(table()), jnp.zeros((4, 5), int)).jaxpr)
    assert program.count(" gather[") == 2


def test_all_samples_are_alike():
    assert table().uniform_length == 3


def test_knows_the_bytes_of_a_sample():
    data = {"a": np.zeros((4, 3), np.float32), "b": np.zeros(4, np.uint8)}
    assert TableDataset(data).sample_bytes == 13


def test_may_be_empty():
    dataset = TableDataset(np.zeros((0, 2)))
    assert (len(dataset), list(dataset), dataset.sample_bytes) == (0, [], 0)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({}, ValueError, r"at least one array, got none"),
        ({"x": 3}, TypeError, r"needs arrays, got data\['x'\] = 3\. Wrap .*np.asarray"),
        ([1, 2], TypeError, r"needs arrays, got data = \[1, 2\]\..*it is a dataset"),
        ({"x": np.array(1)}, ValueError, r"arrays \[N, \.\.\.\]; data\['x'\] is \[\]"),
        (
            {"x": np.zeros(2), "y": np.zeros(3)},
            ValueError,
            r"equal lengths, got \{\"data\['x'\]\": 2, \"data\['y'\]\": 3\}",
        ),
    ],
    ids=str,
)
def test_refuses(data, error, message):
    with pytest.raises(error, match=message):
        TableDataset(data)


def test_keys_of_several_types_are_an_error():
    with pytest.raises(ValueError, match=r"keys of one type.* got \{1: int64\[2\]"):
        TableDataset({1: np.arange(2), "a": np.arange(2)})


@pytest.mark.parametrize("indices", [1, [2, 0], [[1]]], ids=str)
def test_rows_of_a_file_that_is_mapped_are_plain_arrays(indices, tmp_path):
    rows = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert np.shares_memory(TableDataset(mapped).data, mapped)
    for batch in (TableDataset(mapped).take(indices), take(mapped, indices)):
        assert type(batch) is np.ndarray and batch.flags.writeable
        assert batch.tolist() == rows[indices].tolist()


@pytest.mark.parametrize("make", [TableDataset, np.asarray], ids=["table", "array"])
@pytest.mark.parametrize("indices", [1, [2, 0], [[1]]], ids=str)
def test_rows_have_native_bytes(make, indices):
    rows = np.arange(3, dtype=">f4")
    batch = take(make(rows), indices)
    assert batch.dtype == np.float32 and batch.dtype.isnative
    assert batch.tolist() == rows[indices].tolist()


def test_rows_of_other_bytes_go_to_a_device():
    dataset = TableDataset({"x": np.arange(3, dtype=">f4"), "y": jnp.arange(3)})
    assert jax.device_put(dataset).take([2])["x"].tolist() == [2]


def test_a_tensor_is_seen_as_an_array():
    torch = pytest.importorskip("torch", reason='needs pip install "tntjax[interop]"')
    rows = torch.arange(6).reshape(3, 2)
    dataset = TableDataset({"x": rows, "y": np.arange(3)})
    assert type(dataset[1]["x"]) is np.ndarray
    assert dataset.take([2, 0])["x"].tolist() == [[4, 5], [0, 1]]
    assert np.shares_memory(dataset.data["x"], rows.numpy())
    assert jax.device_put(dataset).take(1)["x"].tolist() == [2, 3]


def test_a_masked_array_is_refused():
    masked = np.ma.array([1, 2], mask=[False, True])
    with pytest.raises(TypeError, match=r"data\['x'\] is a masked array.*filled"):
        TableDataset({"x": masked})
    with pytest.raises(TypeError, match=r"An array is a masked array.*filled"):
        take(masked, [0])
