import pytest

from tntjax.utils import check_function, check_functions


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
