"""PackDataset: rows without padding, whose plan depends on nothing that was read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tntjax as tnt


def samples(lengths):
    return [np.full(length, number + 1) for number, length in enumerate(lengths)]


lengths = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@given(lengths, st.integers(1, 20), st.one_of(st.none(), st.integers(0, 3)))
def test_each_sample_is_in_one_row_whole_and_numbered(lengths, window, seed):
    dataset = tnt.PackDataset(samples(lengths), 9, window, seed=seed)
    found = []
    for row in dataset:
        numbers = [n for n in np.unique(row["segment"]) if n]
        assert numbers == list(range(1, len(numbers) + 1))
        for number in numbers:
            inside = row["segment"] == number
            (value,) = set(row["input"][inside].tolist())
            assert row["position"][inside].tolist() == list(range(lengths[value - 1]))
            found.append(value)
        assert (row["input"][row["segment"] == 0] == 0).all()
    expected = [number + 1 for number, length in enumerate(lengths) if length]
    assert sorted(found) == expected


def fill_one_by_one(numbers, lengths):
    rows = []
    for number in numbers:
        for row in rows:
            if sum(lengths[member] for member in row) + lengths[number] <= 9:
                row.append(number)
                break
        else:
            rows.append([number])
    return rows


@given(lengths)
def test_first_fit_takes_the_first_row_with_room(lengths):
    rows = fill_one_by_one([n for n, length in enumerate(lengths) if length], lengths)
    assert list(tnt.PackDataset(samples(lengths), 9).plan) == rows


@pytest.mark.parametrize("window", [1, 2, 7, 999, 1000, 10**9])
def test_many_windows_are_filled_as_each_alone(window):
    drawn = np.random.default_rng(0).integers(1, 10, 1000).tolist()
    expected = []
    for start in range(0, 1000, window):
        numbers = range(start, min(start + window, 1000))
        expected += fill_one_by_one(numbers, drawn)
    assert list(tnt.PackDataset(samples(drawn), 9, window).plan) == expected


def test_a_row_may_be_longer_than_int32_counts():
    rows = tnt.PackDataset(samples([1, 1, 1]), 2**31, lengths=[2**30] * 3)
    assert list(rows.plan) == [[0, 1], [2]]  # of which none is read


def test_no_sample_of_any_length_makes_no_row():
    assert list(tnt.PackDataset(samples([0, 0]), 9)) == []


def test_the_plan_of_a_window_does_not_depend_on_other_windows():
    some = samples([4, 5, 3, 6, 2, 7, 1])
    plan = list(tnt.PackDataset(some, 9, window=3).plan)
    for start in (0, 3, 6):
        own = tnt.PackDataset(some[start : start + 3], 9).plan
        moved = [[number + start for number in row] for row in own]
        assert all(row in plan for row in moved)


def test_epochs_differ_and_can_be_had_again():
    dataset = tnt.PackDataset(samples(range(1, 9)), 12, seed=0)
    plan = list(dataset.plan)
    assert list(dataset.at_epoch(1).plan) != plan
    assert list(dataset.at_epoch(1).at_epoch(0).plan) == plan
    assert dataset.shapes == ((12,),)


def test_long_documents_of_real_lengths_leave_hardly_any_padding():
    drawn = np.random.default_rng(0).gamma(1.0, 130, size=3000).astype(int).clip(1, 512)
    rows = tnt.PackDataset(samples(drawn), 512, seed=0)
    assert 1 - drawn.sum() / (512 * len(rows)) < 0.02


def test_other_fields_are_left_out_by_name():
    some = [{"a": [1, 2], "b": [3.5, 4.5], "id": 7}]
    row = tnt.PackDataset(some, 3, fields=("a", "b"))[0]
    assert row["b"].tolist() == [3.5, 4.5, 0] and list(row) == [
        "a",
        "b",
        "segment",
        "position",
    ]
    with pytest.raises(ValueError, match=r"'id' is int64\[\], without an axis. Name"):
        tnt.PackDataset(some, 3)[0]
    with pytest.raises(ValueError, match="field `segment`, and the samples have one"):
        tnt.PackDataset([{"segment": [1, 2]}], 3)[0]
    with pytest.raises(ValueError, match=r"must be some of \['a', 'b', 'id'\], got"):
        tnt.PackDataset(some, 3, fields=("c",))[0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"length": 2}, ValueError, "sample 0 has length 3, but there is room for 2"),
        ({"length": 0}, ValueError, "length must be at least 1"),
        ({"length": 3, "window": 0}, ValueError, "window must be at least 1"),
        ({"length": "3"}, TypeError, "length must be an integer, got '3'"),
        (
            {"length": 3, "fields": {"input": 5}},
            ValueError,
            r"a list of names as fields, all of length 3, got \{'input': 5\}",
        ),
    ],
)
def test_bad_arguments_are_told(arguments, error, words):
    with pytest.raises(error, match=words):
        tnt.PackDataset(samples([3, 1]), **arguments)


def test_a_mask_of_tokens_is_packed_like_any_field_and_false_in_padding():
    some = [{"x": [5, 6], "mask": [False, True]}, {"x": [7], "mask": [True]}]
    row = tnt.PackDataset(some, 4, lengths=np.array([2, 1], np.uint64), fill=-1)[0]
    assert row["x"].tolist() == [5, 6, 7, -1]
    assert row["mask"].tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("some", "options", "error", "words"),
    [
        ([{"x": [1], "y": [1]}, {"x": [1]}], {}, ValueError, "sample 1 lacks 'y'"),
        ([np.ones((1, 2)), np.ones((1, 3))], {}, ValueError, "Only the first axis"),
        ([[1]], {"fill": 1.5}, ValueError, "fill=1.5 is not a value .*'input'.* int64"),
        ([[1, 2]], {"lengths": [1]}, ValueError, "length 1, but its field 'input'"),
        ([[1, 2]], {"fields": "input"}, TypeError, "a list of names, got 'input'"),
        ([[1, 2]], {"fields": []}, ValueError, "some of"),
    ],
)
def test_samples_that_cannot_be_packed_are_told(some, options, error, words):
    with pytest.raises(error, match=words):
        tnt.PackDataset(some, 4, **options)[0]


def test_a_dict_of_fields_that_says_nothing_else_is_a_list_of_names():
    rows = [
        tnt.PackDataset([[1, 2]], 3, fields=f)[0] for f in ({"input": 3}, ["input"])
    ]
    assert rows[0]["input"].tolist() == rows[1]["input"].tolist() == [1, 2, 0]
