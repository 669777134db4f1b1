import numpy as np
import pytest

from tntjax._check import check_dataset, check_function, check_functions
from tntjax._numbers import check_at_least, check_max_load


def test_functions_become_a_tuple():
    assert check_functions([len, str], "compose") == (len, str)
    assert check_functions((), "compose") == ()


def test_a_single_function_is_told_to_be_put_in_brackets():
    with pytest.raises(TypeError, match=r"list of functions, got len.*\[function\]"):
        check_functions(len, "compose")


def test_an_entry_that_is_no_function_is_named():
    with pytest.raises(TypeError, match="compose needs functions, but entry 1 is 'x'"):
        check_functions([len, "x"], "compose")


def test_a_function_passes():
    check_function(len, "x")


def test_what_is_no_function_is_described():
    with pytest.raises(TypeError, match=r"x is \[1, 2\]"):
        check_function([1, 2], "x")


@pytest.mark.parametrize("value", ["abc", [], range(3), np.zeros(2)], ids=str)
def test_a_dataset_passes(value):
    check_dataset(value, "x")


@pytest.mark.parametrize(
    ("value", "came"), [(5, "5"), (list, "list"), (len, "len"), (None, "None")], ids=str
)
def test_what_is_no_dataset_is_described(value, came):
    message = rf"x needs a dataset \(anything with len and \[index\]\), got {came}\. "
    with pytest.raises(TypeError, match=message):
        check_dataset(value, "x")


@pytest.mark.parametrize("value", [[[1], [1, 2]], [np.zeros(2), 3], "1"], ids=str)
def test_what_is_no_integer_is_described(value):
    with pytest.raises(TypeError, match="epoch must be an integer, got "):
        check_at_least("epoch", value, 0)


@pytest.mark.parametrize("value", [None, 1, np.int64(3)], ids=str)
def test_a_number_to_load_passes(value):
    check_max_load(value, "x")
