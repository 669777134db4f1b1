"""Datasets that read many samples together, with `__getitems__`."""

from collections import deque

import numpy as np
import pytest

from tntjax.dataset import (
    BatchDataset,
    ConcatDataset,
    ResampleDataset,
    ShuffleDataset,
    SplitDataset,
    TransformDataset,
    take,
)
from tntjax.dataset._many import BLOCK, has_getitems, read_samples


class Rows:
    """Notes what it is asked for, and reads samples together only."""

    def __init__(self, length, returned=lambda samples: samples):
        self.length, self.returned, self.asked = length, returned, []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        raise AssertionError("is read one by one")

    def __getitems__(self, indices):
        assert type(indices) is list and {type(index) for index in indices} == {int}
        self.asked.append(indices)
        return self.returned([{"x": index} for index in indices])


class Changed(Rows):
    def __getitem__(self, index):
        return {"x": -index}


class Both(Rows):
    def __getitem__(self, index):
        return {"x": -index}

    def __getitems__(self, indices):
        return [self[index] for index in indices]


def negative(sample):
    return {"x": -sample["x"]}


def is_even(sample):
    return sample["x"] % 2 == 0


def test_take_asks_once():
    rows = Rows(9)
    assert take(rows, [[8, 0], [3, 3]])["x"].tolist() == [[8, 0], [3, 3]]
    assert rows.asked == [[8, 0, 3, 3]]


def test_a_batch_asks_once():
    rows = Rows(9)
    assert BatchDataset(rows, 4)[1]["x"].tolist() == [4, 5, 6, 7]
    assert BatchDataset(rows, 4, filter=is_even)[1]["x"].tolist() == [4, 6]
    assert BatchDataset(rows, 4, merge=dict)[2] == {"x": [8]}
    assert rows.asked == [[4, 5, 6, 7], [4, 5, 6, 7], [8]]


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        (lambda rows: ShuffleDataset(rows, 0), None),
        (lambda rows: TransformDataset(rows, negative), [0, -1, -2, -3]),
        (lambda rows: SplitDataset(rows, {"a": 2, "b": 7}, "b"), [2, 3, 4, 5]),
        (lambda rows: ResampleDataset(rows, lambda d, i: 8 - i), [8, 7, 6, 5]),
        (lambda rows: ConcatDataset([rows, rows]), [0, 1, 2, 3]),
    ],
    ids=["shuffle", "each", "split", "resample", "concat"],
)
@pytest.mark.parametrize("options", [{}, {"merge": dict}], ids=["stacked", "merged"])
def test_so_does_a_batch_of_what_lies_around_it(wrap, expected, options):
    rows = Rows(9)
    batch = BatchDataset(wrap(rows), 4, **options)[0]["x"]
    assert np.asarray(batch).tolist() == (expected or rows.asked[0])
    assert len(rows.asked) == 1


def test_a_batch_of_many_transformed_at_once_asks_once():
    rows = Rows(9)
    dataset = TransformDataset(rows, {"x": np.negative}, batched=True)
    assert BatchDataset(dataset, 4)[0]["x"].tolist() == [0, -1, -2, -3]
    assert BatchDataset(dataset, 2, filter=is_even)[0]["x"].tolist() == [0]
    assert rows.asked == [[0, 1, 2, 3], [0], [1]]


def test_a_run_is_read_in_blocks():
    rows = Rows(2 * BLOCK + 1)
    samples = read_samples(rows, list(range(len(rows))))
    assert next(samples) == {"x": 0}
    assert len(rows.asked) == 1
    assert [sample["x"] for sample in samples] == list(range(1, len(rows)))
    assert [len(block) for block in rows.asked] == [BLOCK, BLOCK, 1]


@pytest.mark.parametrize("index", [-1, 9, True, 2**40])
def test_no_index_that_is_wrong_comes_to_it(index):
    rows = Rows(9)
    for wrap in (lambda d: d, lambda d: TransformDataset(d, negative)):
        with pytest.raises((IndexError, TypeError), match="9 samples|integer indices"):
            take(wrap(rows), [0, index])
    for wrapped in (ShuffleDataset(rows, 0), ConcatDataset([rows])):
        with pytest.raises((IndexError, TypeError), match="9 samples|integer indices"):
            wrapped.__getitems__([0, index])
    assert not rows.asked


@pytest.mark.parametrize("returned", [tuple, np.array, deque])
def test_samples_may_come_in_any_row(returned):
    assert take(Rows(9, returned), [2, 1])["x"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda s: s[1:], ValueError, "it was given 3 and returned 2"),
        (lambda s: s * 2, ValueError, "it was given 3 and returned 6"),
        (
            lambda s: {"x": [1, 2, 3]},
            TypeError,
            r"a sample for each .* got",
        ),
        (lambda s: "abc", TypeError, r"a sample for each .* got 'abc'"),
        (lambda s: None, TypeError, r"a sample for each .* got None"),
        (iter, TypeError, r"a sample for each .* got <list_iterator"),
    ],
    ids=["fewer", "more", "columns", "text", "none", "iterator"],
)
def test_what_it_returns_is_checked(returned, error, message):
    with pytest.raises(error, match=rf"Rows\.__getitems__\(indices\) must.*{message}"):
        take(Rows(9, returned), [0, 1, 2])


def test_an_error_says_what_was_read():
    with pytest.raises(ZeroDivisionError) as caught:
        take(Rows(9, lambda samples: 1 / 0), [0, 1])
    assert caught.value.__notes__ == [
        "Rows.__getitems__: while reading samples [0, 1]."
    ]


def test_a_class_that_changes_one_way_to_read_is_read_that_way():
    assert take(Changed(9), [1, 2])["x"].tolist() == [-1, -2]
    assert take(Both(9), [1, 2])["x"].tolist() == [-1, -2]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Rows, True), (Changed, False), (Both, True), (list, False), (object, False)],
)
def test_who_is_asked_for_many(kind, expected):
    assert has_getitems(kind) is expected


def test_a_wrapper_that_passes_on_attributes_is_read_one_by_one():
    class Wrapper:
        def __init__(self, rows):
            self.rows = rows

        def __getattr__(self, name):
            return getattr(self.rows, name)

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, index):
            return {"x": 10 + index}

    assert take(Wrapper(Rows(9)), [1, 2])["x"].tolist() == [11, 12]
