from collections import OrderedDict, UserDict, defaultdict
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.garbage import left_by
from tntjax.utils import can_merge, foreach, merge, merge_arrays


class Pair(NamedTuple):
    left: object
    right: object


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"a": 1, 2: 3}, {"a": -1, 2: -3}),
        ([1, 2], [-1, -2]),
        ((1, 2), (-1, -2)),
        (Pair(1, 2), Pair(-1, -2)),
        ({}, {}),
        ([], []),
        (OrderedDict(b=1, a=2), OrderedDict(b=-1, a=-2)),
    ],
    ids=str,
)
def test_foreach_keeps_kind_and_keys(table, expected):
    result = foreach(table, lambda value: -value)
    assert result == expected
    assert type(result) is type(expected)


def test_foreach_passes_tables_or_goes_into_them():
    table = {"a": [1, (2, Pair(3, {"b": 4}))]}
    assert foreach(table, type) == {"a": list}
    expected = {"a": [10, (20, Pair(30, {"b": 40}))]}
    assert foreach(table, lambda value: value * 10, recursive=True) == expected
    assert table == {"a": [1, (2, Pair(3, {"b": 4}))]}


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType])
def test_foreach_makes_a_dict_of_other_mappings(kind):
    result = foreach(kind({"a": 1}), lambda value: -value)
    assert result == {"a": -1} and type(result) is dict


def test_foreach_keeps_the_kinds_of_dicts():
    table = defaultdict(list, {"a": OrderedDict(b=1)})
    result = foreach(table, lambda value: -value, recursive=True)
    assert result == {"a": OrderedDict(b=-1)} and table == {"a": OrderedDict(b=1)}
    assert type(result["a"]) is OrderedDict and result["new"] == []


def test_foreach_needs_a_table():
    with pytest.raises(TypeError, match="dict, list or tuple, got 'abc'.*directly"):
        foreach("abc", str)


def test_merge_is_new_and_the_second_counts():
    first, second = {"a": 1, "b": 2}, {"b": 3, "c": 4}
    assert merge(first, second) == {"a": 1, "b": 3, "c": 4}
    assert (first, second) == ({"a": 1, "b": 2}, {"b": 3, "c": 4})


@pytest.mark.parametrize("pair", [({}, [1]), (None, {})], ids=str)
def test_merge_needs_dicts(pair):
    with pytest.raises(TypeError, match=r"merge needs two dicts, got (\[1\]|None)"):
        merge(*pair)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 3), np.uint8)], True),
        ([np.zeros(2), jnp.zeros(2)], True),
        ((np.float32(1), np.int8(2)), True),
        ([np.zeros((2, 3)), np.zeros((3, 2))], False),  # as many elements, other rows
        ([np.zeros(2), [0, 0]], False),
        ([1, 2], False),
        (["a"], False),
        ([], False),
    ],
    ids=str,
)
def test_can_merge_compares_shapes(values, expected):
    assert can_merge(values) is expected


def test_merge_arrays_stacks_in_a_dtype_that_holds_all():
    merged = merge_arrays([np.ones(2, np.uint8), np.full(2, 0.5, np.float32)])
    assert merged.tolist() == [[1, 1], [0.5, 0.5]]
    assert merged.dtype == np.float32
    assert isinstance(merge_arrays([jnp.zeros(2), np.ones(2)]), jax.Array)


@pytest.mark.parametrize(
    ("values", "came"),
    [
        ([np.zeros((2, 3)), np.zeros((3, 2))], r"float64\[2,3\], float64\[3,2\]"),
        ([], "none"),
        ([1, 2], "1, 2"),
    ],
    ids=str,
)
def test_merge_arrays_refuses(values, came):
    with pytest.raises(ValueError, match=f"arrays of one shape, got {came}"):
        merge_arrays(values)


@pytest.mark.parametrize("recursive", [True, False])
def test_foreach_keeps_no_table(recursive):
    def double():
        foreach({"a": [np.ones(3)]}, lambda value: 2 * value, recursive)

    assert left_by(double) == []
