import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.dataset import (
    BatchDataset,
    CoroutineBatchDataset,
    ListDataset,
    ResampleDataset,
    ShuffleDataset,
    TableDataset,
    TransformDataset,
    take,
    weighted_sampler,
)
from tntjax.iterator import DatasetIterator


def fields(length):
    return TableDataset({"x": np.arange(length), "y": np.arange(length) * 0.5})


def lists(dataset):
    return [batch.tolist() for batch in dataset]


@pytest.mark.parametrize(
    ("length", "batch_size", "policy", "expected"),
    [
        (4, 2, "include-last", [[0, 1], [2, 3]]),
        (5, 2, "include-last", [[0, 1], [2, 3], [4]]),
        (5, 2, "skip-last", [[0, 1], [2, 3]]),
        (4, 2, "divisible-only", [[0, 1], [2, 3]]),
        (1, 2, "include-last", [[0]]),
        (1, 2, "skip-last", []),
        (0, 2, "include-last", []),
        (0, 2, "divisible-only", []),
        (3, 1, "include-last", [[0], [1], [2]]),
        (3, 10**12, "include-last", [[0, 1, 2]]),
    ],
)
@pytest.mark.parametrize("make", [range, np.arange, lambda n: list(range(n))])
def test_policies(make, length, batch_size, policy, expected):
    dataset = BatchDataset(make(length), batch_size, policy=policy)
    assert len(dataset) == len(expected)
    assert lists(dataset) == expected


@pytest.mark.parametrize("options", [{}, {"filter": lambda s: True}, {"perm": int}])
def test_pad_last_repeats_the_last_sample_and_marks_the_real_ones(options):
    dataset = BatchDataset(fields(5), 3, policy="pad-last", **options)
    assert [batch["x"].tolist() for batch in dataset] == [[0, 1, 2], [3, 4, 4]]
    assert [batch["mask"].tolist() for batch in dataset] == [[True] * 3, [1, 1, 0]]
    assert dataset[0]["mask"].dtype == np.bool_


def test_pad_last_marks_what_a_filter_left():
    dataset = BatchDataset(
        [{"x": n, "s": str(n)} for n in range(4)],
        2,
        policy="pad-last",
        filter=lambda sample: sample["x"] in (0, 2, 3),
    )
    assert dataset[0]["x"].tolist() == [0, 0]
    assert dataset[0]["s"] == ["0", "0"]
    assert dataset[0]["mask"].tolist() == [True, False]
    assert dataset[1]["mask"].tolist() == [True, True]


def test_perm_maps_a_position_to_an_index():
    assert lists(BatchDataset(range(5), 2, perm=lambda i: 4 - i)) == [
        [4, 3],
        [2, 1],
        [0],
    ]


def test_perm_applies_to_take_too():
    dataset = BatchDataset(np.arange(5), 2, perm=lambda i: 4 - i)
    assert dataset.take([[1], [0]]).tolist() == [[[2, 1]], [[4, 3]]]


def test_filter_shrinks_batches_and_does_not_refill_them():
    dataset = BatchDataset(range(6), 2, filter=lambda n: n not in (1, 4, 5))
    assert len(dataset) == 3
    assert lists(dataset) == [[0], [2, 3], []]


def test_a_batch_without_samples_has_arrays_of_length_0_and_empty_lists():
    samples = [{"x": np.zeros((2, 3), np.uint8), "s": "a"}]
    batch = BatchDataset(samples, 1, filter=lambda sample: False)[0]
    assert (batch["x"].shape, batch["x"].dtype, batch["s"]) == ((0, 2, 3), np.uint8, [])


BROKEN = [None, None, {"x": np.zeros((2, 3), np.uint8), "s": "a"}, None, None]


def is_whole(sample):
    return sample is not None


@pytest.mark.parametrize("make", [BatchDataset, CoroutineBatchDataset])
@pytest.mark.parametrize("perm", [None, lambda position: position])
def test_a_batch_of_what_is_broken_is_like_the_others(make, perm):
    dataset = make(BROKEN, 2, perm=perm, filter=is_whole)
    for batch in (dataset[0], dataset[2], dataset.take([])):
        shape = batch["x"].shape[-3:]
        assert (shape, batch["x"].dtype, batch["s"]) == ((0, 2, 3), np.uint8, [])
    assert take(dataset, [2, 0])["x"].shape == (2, 0, 2, 3)
    assert dataset[1]["x"].shape == (1, 2, 3)


@pytest.mark.parametrize("make", [BatchDataset, CoroutineBatchDataset])
def test_merge_gets_no_sample_that_the_filter_drops(make):
    def merge(fields):
        seen.extend(fields["s"])
        return {"x": np.stack(fields["x"])}

    seen = []
    dataset = make(BROKEN, 2, merge=merge, filter=is_whole)
    assert [batch["x"].shape for batch in dataset] == [(n, 2, 3) for n in (0, 1, 0)]
    assert set(seen) == {"a"}
    with pytest.raises(ValueError, match="drops all 2 samples, so there is none to te"):
        make([None] * 2, 2, merge=merge, filter=is_whole)[0]


def test_the_sample_that_tells_is_searched_for_once():
    read = []

    class Seen(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    dataset = BatchDataset(Seen([0] * 98 + [1, 1]), 2, filter=bool)
    assert [len(batch) for batch in dataset] == [0] * 49 + [2]
    assert len(read) == 200


def test_a_batch_of_which_nothing_is_left_survives_pickle():
    dataset = BatchDataset([0, 1], 1, filter=bool)
    assert dataset[0].tolist() == []
    assert pickle.loads(pickle.dumps(dataset))[1].tolist() == [1]


def test_merge_gets_lists_of_the_whole_batch():
    dataset = BatchDataset(
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}], 2, merge=dict
    )
    assert list(dataset) == [{"a": [1, 2], "b": ["x", "y"]}, {"a": [3], "b": ["z"]}]


def test_perm_then_get_then_filter_then_merge():
    calls = []

    def note(name, result):
        return lambda value: calls.append((name, value)) or result(value)

    dataset = BatchDataset(
        ListDataset(range(10, 14), note("get", int)),
        2,
        perm=note("perm", lambda i: 3 - i),
        filter=note("filter", lambda n: n != 13),
        merge=note("merge", sum),
    )
    assert dataset[0] == 12
    assert calls == [
        ("perm", 0),
        ("perm", 1),
        ("get", 13),
        ("get", 12),
        ("filter", 13),
        ("filter", 12),
        ("merge", [12]),
    ]


def test_strings_stay_lists():
    dataset = BatchDataset(["a", "b", "c"], 2)
    assert list(dataset) == [["a", "b"], ["c"]]


def test_take_gathers_many_batches_at_once():
    batch = BatchDataset(fields(7), 2).take([[0, 2], [1, 1]])
    assert batch["x"].tolist() == [[[0, 1], [4, 5]], [[2, 3], [2, 3]]]


@pytest.mark.parametrize("filter", [None, lambda s: True])
def test_take_pads(filter):
    dataset = BatchDataset(fields(3), 2, policy="pad-last", filter=filter)
    batch = dataset.take([1, 0])
    assert batch["x"].tolist() == [[2, 2], [0, 1]]
    assert batch["mask"].tolist() == [[True, False], [True, True]]


def test_take_gives_the_shorter_last_batch_on_its_own():
    dataset = BatchDataset(np.arange(5), 2)
    assert dataset.take(2).tolist() == [4]
    assert dataset.take([2, 2]).tolist() == [[4], [4]]


def test_take_does_not_mix_the_shorter_last_batch_with_others():
    with pytest.raises(ValueError, match=r"last batch is shorter .*policy='pad-last'"):
        BatchDataset(np.arange(5), 2).take([0, 2])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_positions_do_not_overflow_the_type_of_the_indices(dtype):
    dataset = BatchDataset(np.arange(1000), 100)
    assert dataset.take(np.array([9], dtype))[0, 0] == 900
    on_device = jax.device_put(BatchDataset(TableDataset(np.arange(1000)), 100))
    read = jax.jit(lambda dataset, indices: dataset.take(indices))
    assert read(on_device, np.array([9], dtype))[0, 0] == 900


@pytest.mark.parametrize("policy", ["include-last", "skip-last", "pad-last"])
def test_on_a_device_the_index_may_be_traced(policy):
    dataset = BatchDataset(fields(7), 2, policy=policy)
    read = jax.jit(lambda dataset, index: dataset[index])
    for index in (0, 2):
        batch = read(jax.device_put(dataset), index)
        jax.tree.map(np.testing.assert_array_equal, batch, dataset[index])


def test_on_a_device_the_padded_last_batch_may_be_read():
    dataset = jax.device_put(BatchDataset(fields(3), 2, policy="pad-last"))
    batch = jax.jit(lambda dataset, index: dataset[index])(dataset, 1)
    assert batch["x"].tolist() == [2, 2]
    assert batch["mask"].tolist() == [True, False]


@pytest.mark.parametrize("options", [{"perm": int}, {"filter": bool}, {"merge": dict}])
def test_what_needs_the_host_refuses_a_traced_index(options):
    dataset = jax.device_put(BatchDataset(TableDataset(np.arange(4)), 2, **options))
    assert not dataset.on_device
    with pytest.raises(TypeError, match="BatchDataset is read on the host"):
        jax.jit(lambda dataset, index: dataset[index])(dataset, 0)


@pytest.mark.parametrize(
    ("dataset", "options", "expected"),
    [
        (fields(5), {}, 2),
        (fields(5), {"policy": "pad-last"}, 3),
        (fields(5), {"policy": "skip-last"}, 2),
        (fields(5), {"filter": bool}, 0),
        (fields(5), {"merge": dict}, 0),
        ([1, 2, 3], {}, 1),  # a list knows nothing of its samples: the best is hoped
        (BatchDataset(fields(9), 2), {}, 2),
        (BatchDataset(fields(9), 2), {"policy": "pad-last"}, 2),
        (jax.device_put(TransformDataset(BatchDataset(fields(9), 2), dict)), {}, 2),
    ],
    ids=str,
)
def test_how_many_batches_are_known_to_be_alike(dataset, options, expected):
    assert BatchDataset(dataset, 2, **options).uniform_length == expected


def test_knows_the_bytes_of_a_full_batch():
    assert BatchDataset(fields(5), 2).sample_bytes == 2 * (8 + 8)
    assert BatchDataset([{"x": np.zeros(3, np.uint8), "n": 1}], 2).sample_bytes == 22
    assert BatchDataset(fields(5), 2, policy="pad-last").sample_bytes == 2 * (8 + 8 + 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, r"batch_size must be at least 1, got 0"),
        ({"batch_size": -1}, ValueError, r"batch_size must be at least 1, got -1"),
        (
            {"batch_size": 2**63},
            ValueError,
            r"batch_size must be less than 2\*\*63, got",
        ),
        ({"batch_size": True}, TypeError, r"batch_size must be an integer, got True"),
        ({"batch_size": 2.5}, TypeError, r"batch_size must be an integer, got 2\.5"),
        ({"batch_size": "2"}, TypeError, r"batch_size must be an integer, got '2'"),
        (
            {"policy": "drop"},
            ValueError,
            r"policies include-last, skip-last, divisible-only, pad-last; got 'drop'",
        ),
        (
            {"policy": "divisible-only"},
            ValueError,
            r"got 3 samples and batch_size 2, which leaves 1\. Choose another",
        ),
    ],
    ids=str,
)
def test_refuses(options, error, message):
    with pytest.raises(error, match=message):
        BatchDataset([1, 2, 3], **{"batch_size": 2, **options})


def test_a_batch_size_may_be_an_integer_of_numpy():
    assert len(BatchDataset([1, 2, 3], np.int64(2))) == 2


@pytest.mark.parametrize(
    ("dataset", "came"),
    [
        (np.arange(3), "got ndarray"),
        ([{"mask": 1}], "got dict with mask"),
        ([(1, 2)], "got tuple"),
    ],
    ids=str,
)
def test_pad_last_needs_dicts_without_a_mask(dataset, came):
    with pytest.raises(ValueError, match=f"field 'mask', so samples must be .*{came}"):
        BatchDataset(dataset, 2, policy="pad-last")[0]


def test_pad_last_needs_a_sample_to_pad_with():
    dataset = BatchDataset(fields(2), 2, policy="pad-last", filter=lambda sample: False)
    with pytest.raises(ValueError, match=r"filter left nothing .*Filter before batch"):
        dataset[0]


@pytest.mark.parametrize(
    "options",
    [
        {"filter": lambda n: n > 1},
        {"filter": lambda n: n == 0, "policy": "pad-last"},
    ],
    ids=["empty", "pad"],
)
def test_what_merge_gives_must_have_rows_where_they_are_cut_or_filled(options):
    dataset = BatchDataset(
        [0, 1, 2], 2, merge=lambda batch: {"sum": sum(batch)}, **options
    )
    with pytest.raises(ValueError, match=r"by its rows, but merge gave [02], which ha"):
        dataset[0]


@pytest.mark.parametrize(
    ("perm", "error", "message"),
    [
        (lambda i: i + 1, IndexError, r"range has 3 samples, .*got index 3"),
        (lambda i: i - 1, IndexError, r"range has 3 samples, .*got index -1"),
        (lambda i: i / 2, TypeError, r"integer indices, got float64"),
    ],
    ids=["past", "negative", "float"],
)
@pytest.mark.parametrize("options", [{}, {"filter": bool}])
def test_perm_must_give_indices(options, perm, error, message):
    with pytest.raises(error, match=message):
        list(BatchDataset(range(3), 3, perm=perm, **options))


def test_arrays_of_unequal_shapes_are_an_error():
    with pytest.raises(
        ValueError, match=r"float64\[2\] in sample 0, float64\[3\] in sample 1"
    ):
        BatchDataset([np.zeros(2), np.zeros(3)], 2)[0]


def test_batches_of_batches():
    dataset = BatchDataset(BatchDataset(np.arange(8), 2), 2)
    assert dataset[1].tolist() == [[4, 5], [6, 7]]


def test_jax_indices_that_are_not_traced_read_any_dataset():
    dataset = BatchDataset(["a", "b", "c"], 2, filter=bool)
    assert dataset[jnp.int32(0)] == ["a", "b"]


def test_jax_indices_that_are_not_traced_may_lead_far():
    dataset = BatchDataset(range(10**10), 1000)
    assert take(dataset, jnp.array([3 * 10**6]))[0, 1] == 3 * 10**9 + 1


def test_a_jax_index_reads_the_shorter_last_batch():
    dataset = BatchDataset(TableDataset(np.arange(10)), 4)
    assert dataset[jnp.int32(2)].tolist() == [8, 9]


def test_a_small_integer_of_numpy_may_be_the_batch_size():
    dataset = BatchDataset(range(1000), np.uint8(200))
    assert dataset[4].tolist() == list(range(800, 1000))
    assert type(dataset.batch_size) is int


@pytest.mark.parametrize("dataset", [range(4), ["a", "b"], [{"x": "text"}]], ids=str)
def test_a_device_leaves_what_it_cannot_read_below(dataset):
    batches = BatchDataset(dataset, 2)
    assert jax.device_put(batches).dataset is dataset
    with pytest.raises(TypeError, match="is read on the host"):
        jax.jit(take)(batches, 0)


def test_jax_may_put_anything_in_the_place_of_arrays():
    dataset = jax.device_put(BatchDataset(np.arange(10.0), 2))
    bytes_of_leaves = jax.tree.map(lambda leaf: leaf.nbytes, dataset)
    assert jax.tree.leaves(bytes_of_leaves) == [40]
    shardings = jax.tree.map(lambda leaf: leaf.sharding, dataset)
    read = jax.jit(lambda dataset, i: take(dataset, i), in_shardings=(shardings, None))
    assert read(dataset, 1).tolist() == [2, 3]
    shapes = jax.eval_shape(lambda dataset: dataset, dataset)
    assert jax.jit(take).lower(shapes, 1).compile()(dataset, 1).tolist() == [2, 3]


@pytest.mark.parametrize("wrong", [-1, 3, 2**70, True, np.True_, 0.5])
@pytest.mark.parametrize("options", [{}, {"filter": bool}], ids=["take", "one by one"])
def test_what_perm_gives_is_checked(wrong, options):
    dataset = BatchDataset([1, 2, 3], 3, perm=lambda n: [0, wrong, 1][n], **options)
    with pytest.raises(
        (IndexError, TypeError), match=r"list has 3 samples|integer ind"
    ):
        dataset[0]


def resampled(batches):
    return ResampleDataset(batches, weighted_sampler([1, 1, 1], 0), 6)


def transformed(batches):
    return TransformDataset(ShuffleDataset(batches, 1), lambda x: x, batched=True)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [resampled, transformed, lambda batches: batches])
def test_the_shorter_last_batch_on_a_device_repeats_no_row(wrap):
    dataset = wrap(BatchDataset(np.arange(5), 2))
    placed = jax.device_put(dataset)
    for number in range(len(dataset)):
        expected = dataset[number].tolist()
        assert placed[number].tolist() == placed[jnp.int32(number)].tolist() == expected
    assert lists(DatasetIterator(placed)) == lists(dataset)
    with pytest.raises(ValueError, match="the last batch is shorter"):
        take(placed, jnp.arange(len(dataset)))
