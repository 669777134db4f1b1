import csv as standard
import io
import math

import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Log, csv
from tntjax.meter import AverageValueMeter


def written(*rows, keys=("a", "b")):
    file = io.StringIO()
    log = Log(keys, on_flush=[csv(keys, file=file)])
    for row in rows:
        log = log.set(row).flush()
    return file.getvalue()


def test_a_header_and_a_line_for_each_row():
    assert written({"a": 1, "b": 0.5}, {"b": "x"}) == "a,b\n1,0.5\n,x\n"
    assert written() == "a,b\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (jnp.int32(3), "3"),
        (jnp.float32(0.1), "0.10000000149011612"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (True, "True"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (None, ""),
        ("é", "é"),
        ('a,"b"', '"a,""b"""'),
        ("two\nlines", '"two\nlines"'),
        ("two\rlines", '"two\rlines"'),
    ],
)
def test_values(value, text):
    assert written({"a": 1, "b": value}) == f"a,b\n1,{text}\n"


def test_what_is_written_is_read_back():
    rows = [{"a": 0.1, "b": 'x,"y"\nz'}, {"a": 1e-300, "b": "nothing"}]
    read = list(standard.DictReader(io.StringIO(written(*rows), newline="")))
    assert [float(row["a"]) for row in read] == [0.1, 1e-300]
    assert [row["b"] for row in read] == [row["b"] for row in rows]


def test_names_are_quoted_too():
    assert written({"top 1, %": 3}, keys=["top 1, %"]) == '"top 1, %"\n3\n'


@pytest.mark.parametrize(
    "value", [jnp.ones(2), [1], {"a": 1}, AverageValueMeter().value(), object()]
)
def test_more_than_one_number_is_refused(value):
    with pytest.raises(TypeError, match="csv: the value of 'b' must be one number or"):
        written({"b": value})


def test_a_file_is_emptied_or_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    Log(["a"], on_flush=[csv(["a"], filename=path)]).set(a=1).flush()
    Log(["a"], on_flush=[csv(["a"], filename=path, append=True)]).set(a=2).flush()
    assert path.read_text() == "a\n1\n2\n"
    csv(["a"], filename=path)
    assert path.read_text() == "a\n"


def test_a_file_that_is_not_there_is_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    Log(["a"], on_flush=[csv(["a"], filename=path, append=True)]).set(a=1).flush()
    assert path.read_text() == "a\n1\n"


def test_other_columns_are_not_appended_to(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a,c\n1,2\n")
    with pytest.raises(ValueError, match="'a,b' to .*whose columns are 'a,c'"):
        csv(["a", "b"], filename=path, append=True)
    assert path.read_text() == "a,c\n1,2\n"


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="csv needs a list of keys, got 'loss'"):
        csv("loss")
    with pytest.raises(TypeError, match="csv needs an open file as file"):
        csv(["a"], file="log.csv")
    with pytest.raises(ValueError, match="csv needs a filename to append to"):
        csv(["a"], append=True)
    assert repr(csv(["a"], file=io.StringIO())) == "csv(['a'])"


def test_a_file_named_tsv_has_tabs(tmp_path):
    path = tmp_path / "rows.tsv"
    for value, append in ((1, False), (2, True)):
        view = csv(["a", "b"], filename=path, append=append)
        Log(["a", "b"], on_flush=[view]).set(a=value, b="x\ty").flush()
    assert path.read_text() == 'a\tb\n1\t"x\ty"\n2\t"x\ty"\n'
