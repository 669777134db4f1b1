import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import (
    BatchDataset,
    ConcatDataset,
    ListDataset,
    ShuffleDataset,
    TableDataset,
    TransformDataset,
    take,
)
from tntjax.iterator import DatasetIterator


def fields(start, stop, dtype=np.int64):
    rows = np.arange(start, stop)
    return TableDataset({"x": rows.astype(dtype), "y": np.stack([rows, -rows], 1)})


def compiled(dataset, indices):
    return jax.jit(take)(dataset, np.asarray(indices))


class Counted:
    """Counts how it is read."""

    def __init__(self, samples):
        self.samples, self.gets, self.takes = samples, 0, []

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        self.gets += 1
        return self.samples[index]

    def take(self, indices):
        self.takes.append(np.asarray(indices).tolist())
        return self.samples.take(indices, axis=0)


def test_one_after_the_other():
    dataset = ConcatDataset([[1, 2], (3,), range(4, 6)])
    assert len(dataset) == 5
    assert list(dataset) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "members",
    [[[], [1], [], [], [2, 3], []], [[1, 2, 3]], [[1], [2], [3]], [[], [1, 2, 3]]],
    ids=str,
)
def test_empty_members_are_passed_over(members):
    dataset = ConcatDataset(members)
    assert [dataset[index] for index in range(3)] == [1, 2, 3]
    assert dataset.take([2, 0, 1]).tolist() == [3, 1, 2]


def test_the_lengths_are_those_of_the_start():
    grows = [1, 2]
    dataset = ConcatDataset([grows, [3]])
    grows.append(9)
    assert list(dataset) == [1, 2, 3]


def test_take_asks_each_member_once_and_gets_nothing_by_itself():
    members = [Counted(np.arange(3)), Counted(np.arange(3, 9)), Counted(np.arange(2))]
    batch = ConcatDataset(members).take([[7, 0], [2, 8], [3, 0]])
    assert batch.tolist() == [[7, 0], [2, 8], [3, 0]]
    assert [member.takes for member in members] == [[[0, 2, 0]], [[4, 5, 0]], []]
    assert [member.gets for member in members] == [0, 0, 0]


def test_take_of_one_member_copies_once():
    member = Counted(np.arange(4))
    assert ConcatDataset([[1], member]).take([[4], [1]]).tolist() == [[3], [0]]
    assert member.takes == [[3, 0]]


def test_many_members():
    dataset = ConcatDataset([np.arange(n, n + 3) for n in range(0, 3000, 3)])
    order = np.random.default_rng(0).permutation(3000)
    np.testing.assert_array_equal(dataset.take(order), order)


def test_what_does_not_stack_stays_in_lists_in_its_place():
    dataset = ConcatDataset([["a", "b"], [], ["c"]])
    assert dataset.take([[2, 0], [1, 2]]) == [["c", "a"], ["b", "c"]]


def test_dtypes_are_promoted_to_one_that_holds_all():
    dataset = ConcatDataset([fields(0, 2, np.uint8), fields(2, 4, np.float32)])
    assert dataset.take([0, 3])["x"].dtype == np.float32
    assert dataset.take([0, 1])["x"].dtype == np.uint8


def test_nothing_of_nothing_has_the_shape_of_the_first():
    dataset = ConcatDataset([fields(0, 0), fields(0, 0)])
    assert dataset.take([])["y"].shape == (0, 2)
    assert (dataset.uniform_length, dataset.sample_bytes) == (0, 0)
    assert not jax.device_put(dataset).on_device
    assert compiled(jax.device_put(dataset), np.zeros(0, int))["y"].shape == (0, 2)


def test_nothing_has_the_shape_of_the_first_sample():
    dataset = ConcatDataset([[], [np.zeros(2)]])
    assert dataset.take([]).shape == (0, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_starts_do_not_overflow_the_type_of_the_indices(dtype):
    dataset = ConcatDataset([fields(0, 1000), fields(1000, 2000)])
    assert compiled(jax.device_put(dataset), np.array([9], dtype))["x"].tolist() == [9]


def test_on_a_device_the_index_may_be_traced():
    dataset = jax.device_put(ConcatDataset([fields(0, 3), fields(0, 0), fields(3, 9)]))
    assert dataset.on_device
    batch = compiled(dataset, [[8, 0], [2, 3]])
    assert batch["x"].tolist() == [[8, 0], [2, 3]]
    assert batch["y"].tolist() == [[[8, -8], [0, 0]], [[2, -2], [3, -3]]]
    assert int(dataset[jnp.int32(5)]["x"]) == 5


def test_on_a_device_rows_are_chosen_by_compiled_code_only_if_they_are_alike():
    for other in (fields(0, 2, np.float32), TableDataset({"x": np.zeros((2, 3))})):
        dataset = jax.device_put(ConcatDataset([fields(0, 2), other]))
        assert not dataset.on_device
        assert dataset.uniform_length == 2
        with pytest.raises(TypeError, match=r"ConcatDataset: .*alike .*int32\[1\]"):
            compiled(dataset, [0])


def test_members_on_host_and_device_are_read_together():
    on_device = jax.device_put(fields(0, 3, np.int32))
    dataset = ConcatDataset([on_device, fields(3, 5, np.int32)])
    assert not dataset.on_device
    for indices in ([4, 0, 3, 2], jnp.array([4, 0, 3, 2])):
        assert dataset.take(indices)["x"].tolist() == [4, 0, 3, 2]


def test_jax_indices_that_are_not_traced_read_any_member():
    dataset = ConcatDataset([["a"], ["b", "c"]])
    assert dataset[jnp.int32(2)] == "c"
    assert dataset.take(jnp.array([2, 0])) == ["c", "a"]
    with pytest.raises(IndexError, match=r"ConcatDataset has 3 samples.*got index 3"):
        dataset.take(jnp.array([3]))


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (np.arange(2, dtype=np.int32), "An array holds NumPy arrays"),
        ([1, 2], "list is read on the host"),
    ],
    ids=["array", "list"],
)
def test_compiled_code_says_which_member_it_cannot_read(member, message):
    dataset = ConcatDataset([jnp.arange(2), member])
    with pytest.raises(TypeError, match=message):
        jax.jit(lambda index: dataset[index])(0)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([fields(0, 3), fields(0, 4)], 7),
        ([fields(0, 0), fields(0, 4)], 4),
        ([fields(0, 3), [1], fields(0, 4)], 3),
        ([[1], fields(0, 4)], 0),
        ([fields(0, 3), fields(0, 2, np.uint8)], 3),
        ([BatchDataset(fields(0, 5), 2), BatchDataset(fields(0, 4), 2)], 2),
        ([BatchDataset(fields(0, 4), 2), BatchDataset(fields(0, 5), 2)], 4),
        ([BatchDataset(["a"], 1), BatchDataset(["b", "c"], 1)], 3),
        ([BatchDataset([0], 1), BatchDataset(["b", "c"], 1)], 1),
        ([fields(0, 3), ShuffleDataset(fields(0, 5), 0)], 8),
    ],
    ids=lambda value: str(value)[:60],
)
def test_how_many_samples_are_known_to_be_alike(members, expected):
    assert ConcatDataset(members).uniform_length == expected


def test_a_transform_on_the_device_is_traced_to_know_its_samples():
    calls = []

    def note(sample):
        calls.append(sample["x"])
        return sample["x"] * 2.5

    member = TransformDataset(jax.device_put(fields(0, 3)), note)
    dataset = ConcatDataset([member, jnp.zeros(2)])
    assert dataset.on_device
    assert dataset.uniform_length == 5
    assert all(isinstance(call, jax.core.Tracer) for call in calls)


def test_a_sample_has_the_bytes_of_the_first():
    assert ConcatDataset([[], fields(0, 2), ["text"]]).sample_bytes == 24


def test_an_iterator_reads_all_kinds():
    dataset = ConcatDataset([fields(0, 3), fields(3, 5, np.int8)])
    chunks = DatasetIterator(dataset).chunks(0, 0, lambda position, size, length: 2)
    assert [chunk.xs["x"].tolist() for chunk in chunks] == [[0, 1], [2], [3, 4]]


def test_nested():
    dataset = ConcatDataset([[0], ConcatDataset([[1, 2], [3]]), [4]])
    assert list(dataset) == [0, 1, 2, 3, 4]
    assert dataset.take([4, 3, 2, 1, 0]).tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("one", "other", "came"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), r"float64\[1,3\] and float64\[1,4\]"),
        ([{"x": 1}], [{"y": 1}], r"\{'x': .* and \{'y': "),
        ([1], ["a"], r"int64\[1\] and \['a'\]"),
    ],
    ids=["shape", "fields", "kind"],
)
def test_samples_that_do_not_stack_are_an_error(one, other, came):
    message = f"datasets 1 and 2 cannot be stacked: {came}"
    with pytest.raises(ValueError, match=message):
        ConcatDataset([[], one, other]).take([0, len(one)])


@pytest.mark.parametrize(
    ("datasets", "error", "message"),
    [
        ([], ValueError, "at least one dataset, got none"),
        (np.zeros((2, 2)), TypeError, "a list of datasets, got ndarray"),
        (iter([[1]]), TypeError, "a list of datasets, got list_iterator"),
        (fields(0, 2), TypeError, "got TableDataset. Put a single one in brackets"),
        ([[1], 3], TypeError, "ConcatDataset, entry 1, needs a dataset .*, got 3"),
        ([lambda: 0], TypeError, "entry 0, needs a dataset .*, got .*lambda"),
    ],
)
def test_refuses(datasets, error, message):
    with pytest.raises(error, match=message):
        ConcatDataset(datasets)


def test_errors_of_a_member_pass_through():
    def load(item):
        raise OSError(f"no {item}")

    dataset = ConcatDataset([[1], ListDataset(["a"], load)])
    for read in (lambda: dataset[1], lambda: dataset.take([0, 1])):
        with pytest.raises(OSError, match="no a"):
            read()


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (np.array(["a", "b"]), np.arange(2)),
        (np.array(["a", "b"]), np.array([True, False])),
        (np.array([b"a"]), np.array(["a"])),
        (np.array([None]), np.arange(2)),
        (np.array(["2000-01-01"], "M8[D]"), np.arange(2)),
        (np.array([1], "m8[s]"), np.arange(2)),
        (np.arange(2), np.arange(2, dtype=np.uint64)),
        (np.array([2**53 + 1]), np.array([0.5])),
        (jnp.arange(2), np.array([2**40])),
        (jnp.arange(2), jnp.arange(2, dtype=jnp.uint32)),
    ],
    ids=str,
)
@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: BatchDataset(d, 9)])
def test_what_does_not_mix_is_an_error(first, other, wrap):
    for pair in ([first, other], [other, first]):
        parts = ConcatDataset([TableDataset({"x": array}) for array in pair])
        dataset = wrap(parts)
        with pytest.raises(TypeError, match="samples of datasets 0 and .* be stacked"):
            take(dataset, np.arange(len(dataset)))


def test_keys_that_do_not_sort_are_told():
    samples = [{0: np.ones(2), "a": 1}] * 3
    reads = (
        lambda: take(ConcatDataset([samples, samples]), [0, 4]),
        lambda: next(DatasetIterator(samples).chunks(0, 0, lambda *_, **__: 2)),
        lambda: BatchDataset(samples, 2).sample_bytes,
    )
    for read in reads:
        with pytest.raises(ValueError, match="keys of a dict are of one type"):
            read()
    assert list(ConcatDataset([samples, samples])[4]) == [0, "a"]
