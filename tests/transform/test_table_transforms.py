from collections import UserDict
from typing import NamedTuple

import numpy as np
import pytest

from tntjax.transform import table_apply, table_merge_keys


class Pair(NamedTuple):
    input: int
    target: int


def double(x):
    return 2 * x


def test_table_apply_keeps_keys():
    sample = {"input": 1, "target": 2}
    assert table_apply(double)(sample) == {"input": 2, "target": 4}
    assert sample == {"input": 1, "target": 2}


def test_table_apply_keeps_the_kind():
    assert table_apply(double)([1, 2]) == [2, 4]
    assert table_apply(double)((1, 2)) == (2, 4)
    assert table_apply(double)(Pair(1, 2)) == Pair(2, 4)
    assert table_apply(double)(UserDict(a=1)) == {"a": 2}


def test_table_apply_goes_one_level_deep():
    assert table_apply(len)({"a": {"b": 1, "c": 2}}) == {"a": 2}


def test_table_apply_refuses_what_is_no_table():
    with pytest.raises(TypeError, match=r"dict, list or tuple, got float64\[2\]"):
        table_apply(double)(np.zeros(2))
    with pytest.raises(TypeError, match="table_apply needs a function"):
        table_apply(3)


def test_merge_keys_of_dicts():
    samples = [{"input": 1, "target": "a"}, {"target": "b", "input": 2}]
    assert table_merge_keys(samples) == {"input": [1, 2], "target": ["a", "b"]}


def test_merge_keys_of_tuples():
    assert table_merge_keys([(1, "a"), (2, "b")]) == ([1, 2], ["a", "b"])


def test_merge_keys_of_named_samples_leaves_out_what_is_missing():
    samples = {"left": {"size": 1, "name": "l"}, "right": {"size": 2}}
    assert table_merge_keys(samples) == {
        "size": {"left": 1, "right": 2},
        "name": {"left": "l"},
    }


def test_merge_keys_names_a_missing_key():
    with pytest.raises(ValueError, match="sample 1 lacks 'target', which sample 0 has"):
        table_merge_keys([{"input": 1, "target": 2}, {"input": 1}])


def test_merge_keys_names_an_extra_key():
    with pytest.raises(ValueError, match="sample 1 has 'weight', which sample 0 lacks"):
        table_merge_keys([{"input": 1}, {"input": 1, "weight": 2}])


def test_merge_keys_names_another_length():
    with pytest.raises(ValueError, match="sample 2 has 1 where sample 0 has 2"):
        table_merge_keys([(1, 2), (1, 2), (1,)])


def test_merge_keys_needs_samples():
    with pytest.raises(ValueError, match="at least one sample"):
        table_merge_keys([])


def test_merge_keys_needs_tables():
    with pytest.raises(TypeError, match="samples that are dicts or tuples, got 3"):
        table_merge_keys([3, 4])
    with pytest.raises(TypeError, match="sample 1 is 3 where sample 0 is"):
        table_merge_keys([{"a": 1}, 3])
    with pytest.raises(TypeError, match="entry 'left' is 3"):
        table_merge_keys({"left": 3})
