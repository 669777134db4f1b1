"""pad_batch and bptt: arrays out of ragged samples, and out of one long sequence."""

import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax._dtype import with_one_dtype


def test_fields_are_padded_or_stacked_and_rows_filled_up():
    samples = [
        {"x": np.ones((2, 3), np.uint8), "y": 1.5, "name": "a"},
        {"x": np.ones((1, 3), np.uint8), "y": 2.5, "name": "b"},
    ]
    batch = tnt.pad_batch(samples, 4, rows=3, fill=9)
    assert list(batch) == ["x", "y", "name", "length", "mask"]
    assert batch["x"].shape == (3, 4, 3) and batch["x"].dtype == np.uint8
    assert batch["x"][..., 0].tolist() == [[1, 1, 9, 9], [1, 9, 9, 9], [9] * 4]
    assert batch["y"].tolist() == [1.5, 2.5, 2.5] and batch["name"] == ["a", "b", "b"]
    assert batch["length"].tolist() == [2, 1, 0]
    assert batch["mask"].tolist() == [True, True, False]


def test_bare_arrays_are_the_field_input():
    batch = tnt.pad_batch([[1], [2.5, 3]])
    assert batch["input"].tolist() == [[1, 0], [2.5, 3]]


@pytest.mark.parametrize(
    ("samples", "options", "error", "words"),
    [
        ([], {}, ValueError, r"at least one sample, got \["),
        ([[1], [2]], {"rows": 1}, ValueError, "rows for 1 samples, got 2"),
        ([[1, 2]], {"length": 1}, ValueError, "'input' to length 1: a sample has 2"),
        ([[1, 2]], {"length": 1.5}, TypeError, "length must be an integer"),
        ([[[1]], [[1, 2]]], {}, ValueError, "Only the first axis may differ"),
        ([{"length": [1]}], {}, ValueError, "field `length`, and the samples have one"),
        ([{"mask": [1]}], {}, ValueError, "the samples have one. Rename theirs"),
        ([{"a": [1]}], {"fields": ["b"]}, ValueError, r"some of \['a'\], got \['b'\]"),
        ([[1], [1.5], ["a"]], {}, TypeError, "No dtype holds both"),
        ([{"a": [1]}], {"fields": "a"}, TypeError, "a list of names, got 'a'"),
        ([{"a": [1], "b": [2]}, {"a": [1]}], {}, ValueError, "sample 1 lacks 'b'"),
        ([{"a": [1]}, {"a": 1}], {}, ValueError, r"'a' is int64\[\], without an axis"),
        (([1] for _ in "a"), {}, TypeError, "a list of samples, got <generator"),
        ([[1]], {"fill": np.nan}, ValueError, "fill=nan is not a value .* int64"),
        ([np.ones(1, np.uint8)], {"fill": -1}, ValueError, "fill=-1 is not .* uint8"),
        ([np.ones(1, np.float16)], {"fill": 1e9}, ValueError, "is not .* float16"),
        ([["a"]], {"length": 2}, ValueError, "fill=0 is not a value"),
        ([[1]], {"fill": []}, ValueError, r"fill=\[\] is not a value"),
        ([[1]], {"fill": np.zeros(2)}, ValueError, r"is not a value .* int64"),
        ([np.ma.array([1], mask=[1])], {}, TypeError, "is a masked array"),
    ],
)
def test_what_cannot_be_padded_is_told(samples, options, error, words):
    with pytest.raises(error, match=words):
        tnt.pad_batch(samples, **options)


def test_floats_are_padded_with_a_rounded_value_and_bools_with_false():
    batch = tnt.pad_batch([{"x": np.ones(1, np.float16), "y": [True]}], 2, fill=0.1)
    assert batch["x"].tolist() == [[1, np.float16(0.1)]]
    assert batch["y"].tolist() == [[True, False]]
    assert np.isnan(tnt.pad_batch([[1.5]], 2, fill=np.nan)["input"][0, 1])


@pytest.mark.parametrize("fill", [np.array(7), jnp.int32(7), np.float32(7)])
def test_a_fill_may_be_a_number_of_numpy_or_jax(fill):
    assert tnt.pad_batch([[1]], 2, fill=fill)["input"].tolist() == [[1, 7]]


def test_an_empty_list_makes_no_floats_of_ids():
    batch = tnt.pad_batch([{"input": [1, 2]}, {"input": []}])
    assert batch["input"].tolist() == [[1, 2], [0, 0]]
    assert batch["input"].dtype.kind == "i"
    vectors = tnt.pad_batch([np.zeros((0, 2), np.int8), np.ones((1, 2), np.int8)])
    assert vectors["input"].dtype == np.int8


def test_lists_of_unequal_lengths_are_no_axis():
    batch = tnt.pad_batch([{"x": [1], "tree": [[1], [1, 2]]}], 2)
    assert batch["tree"] == [[[1], [1, 2]]] and batch["x"].tolist() == [[1, 0]]


def test_streams_go_on_from_sample_to_sample():
    ids = np.arange(100)
    dataset = tnt.bptt(ids, batch_size=3, length=5)
    assert len(dataset) == 33 // 5
    for number in range(len(dataset)):
        sample = dataset[number]
        starts = np.array([[0], [33], [66]]) + 5 * number
        np.testing.assert_array_equal(sample["input"], starts + np.arange(5))
        np.testing.assert_array_equal(sample["target"], sample["input"] + 1)


def test_a_sequence_of_vectors_is_cut_too():
    sample = tnt.bptt(np.ones((9, 2)), 2, 4)[0]
    assert sample["input"].shape == (2, 4, 2)


@pytest.mark.parametrize("ids", [np.arange(6), np.array(3)])
def test_too_short_a_sequence_is_told(ids):
    with pytest.raises(ValueError, match=r"more than batch_size \* length = 6 ids"):
        tnt.bptt(ids, 2, 3)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        tnt.bptt(ids, 0, 3)


def test_narrow_numbers_of_streams_count_as_far_as_python_does():
    assert len(tnt.bptt(np.arange(90_000), np.int8(100), np.int8(100))) == 8
    with pytest.raises(ValueError, match="Can't make one array"):
        tnt.bptt([[1], [1, 2]], 1, 1)


@pytest.mark.parametrize("dtype", [">i2", ">f4", ">f8"])
def test_batches_are_of_native_bytes_whatever_the_samples_are(dtype):
    some = [np.arange(n).astype(dtype) for n in (2, 3)]
    padded, packed = tnt.pad_batch(some)["input"], tnt.PackDataset(some, 5)[0]["input"]
    assert padded.tolist() == [[0, 1, 0], [0, 1, 2]]
    assert packed.tolist() == [0, 1, 0, 1, 2]
    for made in (padded, packed, *with_one_dtype(some), *with_one_dtype(some[:1])):
        assert made.dtype == dtype[1:] and made.dtype.isnative
    text = np.array(["a", "bc"], np.dtypes.StringDType())  # has no order of bytes
    assert tnt.ConcatDataset([text, text]).take([1, 2]).tolist() == ["bc", "a"]
