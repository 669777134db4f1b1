import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax._struct import pytree, static
from tntjax.dataset import (
    BatchDataset,
    ListDataset,
    ShuffleDataset,
    SplitDataset,
    TableDataset,
    TransformDataset,
    take,
)
from tntjax.dataset._protocol import find_spec, has_take


class MapStyle:
    """Like a torch map-style dataset: a length, samples, and no more."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


class FirstRows(MapStyle):
    """Like a Hugging Face dataset, whose `take` means the first n."""

    def take(self, n):
        return FirstRows(self.samples[:n])


class OwnTake(MapStyle):
    uniform_length = 2

    def take(self, indices):
        return (indices + 100, indices)


class OwnIndex(OwnTake):
    def __getitem__(self, index):
        return super().__getitem__(index) * 2


class TakeIsNoMethod(MapStyle):
    take = "indices"


@pytest.mark.parametrize(
    "dataset",
    [
        [10, 20, 30],
        (10, 20, 30),
        range(10, 31, 10),
        np.array([10, 20, 30]),
        jnp.array([10, 20, 30]),
        {0: 10, 1: 20, 2: 30},
        MapStyle([10, 20, 30]),
        FirstRows([10, 20, 30]),
        TakeIsNoMethod([10, 20, 30]),
        TableDataset(np.array([10, 20, 30])),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
@pytest.mark.parametrize(
    ("indices", "expected"),
    [(2, 30), ([2, 0], [30, 10]), ([[1], [1]], [[20], [20]]), ([], [])],
    ids=str,
)
def test_reads_any_dataset(dataset, indices, expected):
    batch = take(dataset, indices)
    assert batch.tolist() == expected
    assert batch.dtype.kind == "i"


def test_the_take_of_a_dataset_keeps_the_axes_of_the_indices():
    """A flat one gave an engine twice as many batches, of half as many rows."""

    class Flat(MapStyle):
        def take(self, indices):
            return np.asarray(self.samples).take(np.ravel(indices))

    flat = Flat(range(10))
    assert take(flat, [3, 1]).tolist() == [3, 1]
    for read in (
        lambda: take(flat, [[3], [1]]),
        lambda: take(BatchDataset(flat, 2), [0, 1]),
    ):
        with pytest.raises(ValueError, match=r"Flat.take\(indices\) was given .* \[.*"):
            read()


def test_uses_the_take_of_a_dataset_with_indices():
    mine, indices = take(OwnTake([10, 20]), [[1], [0]])
    assert (mine.tolist(), indices.tolist()) == ([[101], [100]], [[1], [0]])
    assert find_spec(OwnTake([1])).alike == 2


def test_what_a_derived_class_reads_counts_and_not_the_take_it_inherits():
    assert take(OwnIndex([10, 20]), [1, 0]).tolist() == [40, 20]
    assert find_spec(OwnIndex([1])).alike == 0


@pytest.mark.parametrize("indices", [[-1], [2], 2, [0, True]], ids=str)
def test_the_take_of_a_dataset_gets_no_index_that_is_wrong(indices):
    with pytest.raises((IndexError, TypeError), match=r"got (index )?(-1|2|True)"):
        take(OwnTake([10, 20]), indices)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (TableDataset, True),
        (OwnTake, True),
        (OwnIndex, False),
        (FirstRows, False),
        (TakeIsNoMethod, False),
        (MapStyle, False),
        (list, False),
        (np.ndarray, False),
        (jax.Array, False),
        (type("Compiled", (), {"take": max}), False),
        (type("NoSignature", (), {"take": dict.pop}), False),
    ],
    ids=str,
)
def test_only_a_take_of_indices_counts(kind, expected):
    assert has_take(kind) is expected


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (1, "b"),
        ([2, 0], ["c", "a"]),
        ([[0, 1, 2], [2, 1, 0]], [["a", "b", "c"], ["c", "b", "a"]]),
        ([[[0], [1]]], [[["a"], ["b"]]]),
        ([], []),
        (np.zeros((2, 0), int), [[], []]),
        (np.zeros((0, 2), int), []),
    ],
    ids=str,
)
def test_what_cannot_be_stacked_is_in_lists_of_the_shape_of_the_indices(
    indices, expected
):
    assert take(["a", "b", "c"], indices) == expected


def test_no_indices_give_arrays_like_sample_0():
    batch = take([{"x": np.zeros((2, 3), np.uint8)}], np.zeros((4, 0), int))
    assert batch["x"].shape == (4, 0, 2, 3)
    assert batch["x"].dtype == np.uint8


def test_no_batches_are_like_the_only_one_which_is_shorter():
    assert take(BatchDataset(np.zeros((3, 2)), 4), []).shape == (0, 3, 2)


@pytest.mark.parametrize("value", [3, None, {"a": 1}, iter([1])])
def test_what_is_no_dataset_is_named(value):
    with pytest.raises(TypeError, match="take needs a dataset"):
        take(value, [0])


def test_a_sample_of_an_array_is_no_view():
    array = np.zeros((3, 2))
    take(array, 0)[:] = 1
    assert array.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("index", [-1, 3, -(2**40), 2**40])
@pytest.mark.parametrize("shape", [(), (1,), (2, 2)], ids=str)
@pytest.mark.parametrize("make", [list, np.array, jnp.array, TableDataset])
def test_refuses_what_is_out_of_range(make, shape, index):
    dataset = make(np.arange(3))
    name = type(dataset).__name__
    with pytest.raises(
        IndexError, match=rf"{name} has 3 samples, .*got index {index}\."
    ):
        take(dataset, np.full(shape, index))


@pytest.mark.parametrize(
    ("indices", "came"),
    [
        ([0.0], r"float64\[1\]"),
        ([True, False, True], r"bool\[3\]"),
        ("0", r"<U1\[\]"),
        ([np.timedelta64(1, "s"), 1], r"timedelta64\[s\]\[2\]"),
        ([None], r"object\[1\]"),
        (jnp.array([True, False, True]), r"bool\[3\]"),
        (jnp.zeros(2), r"float32\[2\]"),
    ],
    ids=str,
)
def test_refuses_what_is_no_integer(indices, came):
    with pytest.raises(TypeError, match=f"Expected integer indices, got {came}"):
        take([1, 2, 3], indices)


@pytest.mark.parametrize(
    "indices",
    [2**70, [2**70], [2**63 + 1, 1], [np.uint64(2**63), 0], [np.int64(0), 2**64]],
    ids=str,
)
def test_an_index_of_any_size_that_is_too_large_is_an_index_error(indices):
    with pytest.raises(IndexError, match=r"list has 3 samples.*got index \d{19,}\."):
        take([1, 2, 3], indices)


def test_integers_that_numpy_has_no_one_dtype_for_are_read():
    assert take([1, 2, 3], [np.uint64(2), np.int64(0)]).tolist() == [3, 1]


def test_lists_of_unequal_lengths_are_no_indices():
    with pytest.raises(TypeError, match=r"integer indices, got \[\[0\], \[1, 2\]\]"):
        take([1, 2, 3], [[0], [1, 2]])


@pytree
class Far:
    """A dataset on a device that is longer than a device counts."""

    length: int = static(default=2**31 + 9)
    on_device = True

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.take(index)

    def take(self, indices):
        return jnp.zeros(np.shape(indices))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda far: far,
        lambda far: BatchDataset(far, 1),
        lambda far: SplitDataset(far, {"a": 5, "b": len(far) - 5}).select("b"),
    ],
    ids=["dataset", "batches", "part"],
)
def test_what_a_device_cannot_count_is_an_error(wrap):
    dataset = wrap(Far())
    for indices in ([2**31 + 1], jnp.array([0])):
        with pytest.raises(TypeError, match="a device counts to 2147483648 only"):
            take(dataset, indices)
    with pytest.raises(TypeError, match="a device counts to 2147483648 only"):
        jax.jit(lambda index: take(dataset, index))(0)


def test_positions_that_a_device_can_count_are_read():
    assert take(Far(), [0, 2**31 - 1]).shape == (2,)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ([1, 2], r"list is read on the host.*TableDataset\(take\("),
        (MapStyle([1, 2]), r"MapStyle is read on the host"),
        (np.arange(2), r"An array holds NumPy arrays.*device_put"),
        (TableDataset(np.arange(2)), r"TableDataset holds NumPy arrays.*device_put"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_dataset_on_the_host_refuses_traced_indices(dataset, message):
    with pytest.raises(TypeError, match=message):
        jax.jit(lambda indices: take(dataset, indices))(jnp.array([0]))


def test_traced_indices_gather_from_an_array_on_a_device():
    assert jax.jit(take)(jnp.array([1, 2, 3]), [2, 0]).tolist() == [3, 1]


def test_jax_indices_that_are_not_traced_read_any_dataset():
    assert take(["a", "b"], jnp.array([[1], [0]])) == [["b"], ["a"]]


def test_samples_of_one_array_are_alike():
    assert find_spec(np.zeros((3, 2))).alike == 3
    assert find_spec(jnp.zeros((3, 2))).alike == 3
    assert find_spec([np.zeros(2)] * 3).alike == 0


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ([{"x": np.zeros(3, np.uint8), "n": 1}], 3 + 8),
        (np.zeros((2, 5), np.float32), 20),
        (jnp.zeros((2, 5)), 20),
        (["text"], 8),
    ],
    ids=str,
)
def test_the_bytes_of_a_sample(dataset, expected):
    assert find_spec(dataset).bytes() == expected


@pytest.mark.parametrize(
    "dataset",
    [
        [],
        range(0),
        ListDataset([], str),
        TransformDataset(TableDataset(np.zeros((0, 2))), abs),
    ],
    ids=str,
)
def test_an_empty_dataset_cannot_tell_what_a_batch_of_none_is_like(dataset):
    with pytest.raises(ValueError, match="is empty, so there is no sample"):
        take(dataset, [])
    with pytest.raises(IndexError, match="has 0 samples"):
        take(dataset, [0])


@pytest.mark.parametrize("kind", [np.array, jnp.array])
def test_an_empty_array_has_a_batch_of_none(kind):
    table = TableDataset(kind(np.zeros((0, 2), np.float32)))
    for dataset in (table, BatchDataset(table, 2), ShuffleDataset(table, 0)):
        assert take(dataset, []).shape[-1] == 2


@pytest.mark.parametrize("items", [np.arange(3), [0, [1], 2], ["0"]], ids=str)
def test_compiled_code_says_that_a_list_is_read_on_the_host(items):
    dataset = ListDataset(items, str)
    assert list(jax.device_put(dataset)) == list(dataset)
    with pytest.raises(TypeError, match="ListDataset is read on the host"):
        jax.jit(take)(dataset, 0)


class LikePandas(MapStyle):
    """Like a Series, which takes more and gives another Series."""

    def take(self, indices, axis=0):
        return FirstRows(self.samples)


def test_a_take_of_more_than_indices_means_something_else():
    assert take(LikePandas([10, 20, 30]), [2, 0]).tolist() == [30, 10]


def test_keys_of_a_sample_need_not_sort():
    sample = {1: 2, "a": np.zeros(2)}
    assert take([sample], [[0, 0]])["a"].shape == (1, 2, 2)
    assert take([sample], [])[1].shape == (0,)
    assert list(TransformDataset([sample], dict, batched=True)[0]) == [1, "a"]
    assert BatchDataset([sample], 1, filter=lambda sample: False)[0]["a"].size == 0


@pytest.mark.parametrize("kind", [jnp.int8, jnp.uint8, jnp.int16])
@pytest.mark.parametrize("compiled", [True, False])
def test_narrow_jax_indices_read_what_wide_ones_read(kind, compiled):
    read = jax.jit(take) if compiled else take
    table = TableDataset(np.arange(40_000))
    for dataset in (table, ShuffleDataset(table, 1), BatchDataset(table, 20_000)):
        resident = jax.device_put(dataset)
        np.testing.assert_array_equal(read(resident, kind(1)), take(dataset, 1))
