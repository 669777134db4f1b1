"""edit_distance: against a table filled cell by cell, and against rapidfuzz."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tntjax.text import edit_distance

WIDTH = 7
ids = st.lists(st.integers(0, 3), max_size=WIDTH)


def fill_table(one, other):
    row = list(range(len(other) + 1))
    for number, token in enumerate(one, 1):
        before, row = row, [number]
        for column, wanted in enumerate(other):
            changed = before[column] + (token != wanted)
            row.append(min(changed, before[column + 1] + 1, row[column] + 1))
    return row[-1]


def padded(rows, fill):
    array = np.full((len(rows), WIDTH), fill, np.int32)
    for number, row in enumerate(rows):
        array[number, : len(row)] = row
    return array, np.array([len(row) for row in rows])


compiled = jax.jit(edit_distance)


@settings(max_examples=60)
@given(st.lists(st.tuples(ids, ids), min_size=4, max_size=4), st.integers(0, 9))
def test_is_what_a_table_says_whatever_the_padding(pairs, fill):
    (one, n), (other, m) = (padded(rows, fill) for rows in zip(*pairs, strict=True))
    expected = [fill_table(*pair) for pair in pairs]
    assert compiled(one, other, n, m).tolist() == expected
    assert compiled(other, one, m, n).tolist() == expected


def test_equals_rapidfuzz():
    rapidfuzz = pytest.importorskip("rapidfuzz")
    generator = np.random.default_rng(0)
    one = generator.integers(5, size=(20, 30))
    other = generator.integers(5, size=(20, 40))
    n, m = generator.integers(31, size=20), generator.integers(41, size=20)
    expected = [
        rapidfuzz.distance.Levenshtein.distance(a[:i].tolist(), b[:j].tolist())
        for a, b, i, j in zip(one, other, n, m, strict=True)
    ]
    assert edit_distance(one, other, n, m).tolist() == expected


def test_the_same_under_vmap_without_jit_and_for_several_leading_axes():
    generator = np.random.default_rng(1)
    one, other = generator.integers(3, size=(2, 2, 3, 5))
    n, m = generator.integers(6, size=(2, 2, 3))
    expected = edit_distance(one, other, n, m)
    assert expected.shape == (2, 3) and expected.dtype == jnp.int32
    assert (jax.vmap(edit_distance)(one, other, n, m) == expected).all()
    with jax.disable_jit():
        assert (edit_distance(one, other, n, m) == expected).all()


def test_an_empty_sequence_is_as_far_as_the_other_is_long():
    none, some = np.zeros((2, 0), np.int32), np.ones((2, 3), np.int32)
    assert edit_distance(none, some).tolist() == [3, 3]
    assert edit_distance(some, none).tolist() == [3, 3]
    assert edit_distance(some, some, [0, 9], [2, 0]).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([[1.5]], [[1]]), TypeError, "integers as output, got"),
        ((3, [1]), ValueError, "the same leading axes, got"),
        (([[1]], [[1], [2]]), ValueError, "the same leading axes, got"),
        (([[1]], [[1]], [1, 1]), ValueError, r"output_length of shape \[1\]"),
        (([[1]], [[1]], [1], [True]), TypeError, "target_length needs integers"),
    ],
)
def test_bad_input_is_told(arguments, error, words):
    with pytest.raises(error, match=words):
        edit_distance(*arguments)


def test_ids_beyond_int32_are_told_as_they_would_wrap():
    with pytest.raises(ValueError, match="that fit int32, got 4294967296"):
        edit_distance(np.array([2**32]), np.array([0]))
    assert int(edit_distance(np.array([200], np.uint8), np.array([-56], np.int8))) == 1
