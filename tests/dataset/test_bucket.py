"""BucketDataset: the least padding, few shapes, each sample once in an epoch."""

import itertools
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tntjax as tnt
from tntjax.dataset._bucket import find_boundaries


def samples(lengths):
    """Samples that tell their number, in as many places as they are long."""
    return [
        {"input": np.full(length, number + 1), "label": number}
        for number, length in enumerate(lengths)
    ]


def members(batch):
    """The numbers of the samples in a batch, rows that only fill up left out."""
    return batch["label"][batch["mask"]].tolist()


def padding(lengths, boundaries):
    rounded = np.array(boundaries)[np.searchsorted(boundaries, lengths)]
    return int((rounded - lengths).sum())


@settings(max_examples=200)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 5))
def test_no_other_boundaries_pad_less(lengths, shapes):
    lengths = np.array(lengths)
    found = find_boundaries(lengths, shapes)
    assert len(found) == min(shapes, len(set(lengths.tolist())))
    choices = itertools.combinations(sorted(set(lengths.tolist())), len(found))
    least = min(padding(lengths, c) for c in choices if c[-1] == lengths.max())
    assert padding(lengths, found) == least


def test_boundaries_of_very_many_lengths_take_no_time():
    lengths = np.random.default_rng(0).integers(100_000, size=50_000)
    found = find_boundaries(lengths, 4)
    assert len(found) == 4 and found[-1] == lengths.max()
    assert np.allclose(found, [25_000, 50_000, 75_000, 100_000], rtol=0.05)


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=60),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 3)),
)
def test_each_sample_comes_once_whole_in_one_of_the_stated_shapes(lengths, size, seed):
    dataset = tnt.BucketDataset(samples(lengths), size, shapes=3, seed=seed)
    batches = list(dataset)
    assert sorted(n for b in batches for n in members(b)) == list(range(len(lengths)))
    assert {b["input"].shape for b in batches} <= set(dataset.shapes)
    for batch in batches:
        for number, row, length, there in zip(
            *(batch[name] for name in ("label", "input", "length", "mask")), strict=True
        ):
            assert (row[length:] == 0).all() and (row[:length] == number + 1).all()
            assert length == (lengths[number] if there else 0)
    assert sum(not b["mask"].all() for b in batches) <= 1  # not full


def test_tokens_give_short_batches_more_rows():
    dataset = tnt.BucketDataset(samples([2] * 8 + [8] * 3), tokens=16, shapes=2)
    assert dataset.shapes == ((8, 2), (2, 8))
    assert [b["input"].shape for b in dataset] == [(8, 2), (2, 8), (2, 8)]
    assert dataset[1]["length"].tolist() == [8, 2]  # filled with a shorter one


def test_without_a_seed_short_batches_come_first_in_order():
    dataset = tnt.BucketDataset(samples([3, 1, 3, 1]), 2, boundaries=(1, 4))
    assert [members(b) for b in dataset] == [[1, 3], [0, 2]]
    assert [b["input"].shape[1] for b in dataset] == [1, 4]


def test_an_epoch_is_a_function_of_seed_and_epoch_and_mixes_the_shapes():
    lengths = np.random.default_rng(0).integers(1, 50, size=300)
    dataset = tnt.BucketDataset(samples(lengths), 4, lengths, shapes=4, seed=7)
    other = dataset.at_epoch(1)
    again = pickle.loads(pickle.dumps(dataset)).at_epoch(1)
    assert [members(b) for b in other] == [members(b) for b in again]
    assert [members(b) for b in other] != [members(b) for b in dataset]
    assert other.shapes == dataset.shapes
    order = [b["input"].shape[1] for b in dataset]
    changes = sum(one != two for one, two in itertools.pairwise(order))
    assert changes > len(order) / 2


def test_fields_may_have_a_length_of_their_own():
    pairs = [{"a": np.ones((n, 2)), "b": np.ones(1, np.int32)} for n in (1, 4, 2)]
    fields = {"a": None, "b": 3}
    dataset = tnt.BucketDataset(pairs, 3, "a", shapes=1, fields=fields, fill=-1)
    batch = dataset[0]
    assert (
        batch["a"].shape == (3, 4, 2) and batch["a"][0, 1:].tolist() == [[-1] * 2] * 3
    )
    assert batch["b"].tolist() == [[1, -1, -1]] * 3 and batch["b"].dtype == np.int32
    assert batch["length"].tolist() == [1, 4, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, ValueError, "size or tokens, one of the two"),
        ({"size": 2, "tokens": 3}, ValueError, "size or tokens, one of the two"),
        ({"size": 2, "boundaries": (1, 2)}, ValueError, "sample 2 has length 3.*for 2"),
        ({"size": 2, "boundaries": (4, 2)}, ValueError, r"that increase, got \(4, 2\)"),
        ({"size": 2, "boundaries": (4.5,)}, TypeError, "integers as boundaries"),
        ({"size": 2, "shapes": 0}, ValueError, "shapes must be at least 1, got 0"),
        ({"size": 2.0}, TypeError, "size must be an integer"),
        ({"size": 0}, ValueError, "size must be at least 1, got 0"),
        ({"tokens": 2}, ValueError, "tokens=2 has no room for one .* length 3"),
        ({"size": 2, "length": "x"}, ValueError, "name of a field .* got 'x'"),
        (
            {"size": 2, "length": [1, 2, 2**40]},
            ValueError,
            "below 2.*got 1099511627776",
        ),
        ({"size": 2, "boundaries": np.array([5, 3], np.uint8)}, ValueError, "increase"),
        ({"size": 2, "length": [1, 2]}, ValueError, "length of each of 3 samples"),
        ({"size": 2, "length": [1, 2, -3]}, ValueError, "lengths >= 0, below.* got -3"),
        ({"size": 2, "length": lambda s: 0.5}, TypeError, "integers as lengths"),
        ({"size": 2, "seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"size": 2, "epoch": 0.5}, TypeError, "epoch must be an integer"),
    ],
)
def test_bad_arguments_are_told(arguments, error, words):
    with pytest.raises(error, match=words):
        tnt.BucketDataset(samples([1, 2, 3]), **arguments)


def test_samples_without_an_axis_are_told():
    with pytest.raises(
        ValueError, match=r"a field that is an array.*Encode text as ids"
    ):
        tnt.BucketDataset([{"input": "text"}], 2)


def test_numbers_of_other_libraries_are_pythons_own_inside():
    some, lengths = samples([3, 1, 2]), np.array([3, 1, 2], np.uint64)
    own = tnt.BucketDataset(some, 2, [3, 1, 2], seed=3, epoch=1)
    other = tnt.BucketDataset(
        some, np.int8(2), lengths, seed=jnp.array(3), epoch=np.uint8(1)
    )
    assert other.shapes == own.shapes and type(other.shapes[0][0]) is int
    again = own.at_epoch(jnp.array(1))
    assert list(other.plan) == list(own.plan) == list(again.plan)


def test_a_tuple_of_arrays_is_told_as_its_parts_have_no_names():
    with pytest.raises(TypeError, match="need names for their arrays"):
        tnt.BucketDataset([(np.ones(3), 1), (np.ones(2), 0)], 2)
    assert tnt.BucketDataset([(1, 2, 3)], 1)[0]["input"].tolist() == [[1, 2, 3]]
