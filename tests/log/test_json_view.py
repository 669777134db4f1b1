import io
import json as standard
import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.log import Log, json, text
from tntjax.meter import AverageValueMeter, ClassErrorMeter, ConfusionMeter


def line(values):
    """What the view writes for a row of these values."""
    file = io.StringIO()
    keys = list(values)
    Log(keys, on_flush=[json(keys, file=file)]).set(values).flush()
    return file.getvalue()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"),
        (jnp.int32(3), "3"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (0.5, "0.5"),
        (jnp.float32(0.5), "0.5"),
        (jnp.bfloat16(0.5), "0.5"),
        (True, "true"),
        (np.bool_(False), "false"),
        (None, "null"),
        ('a\n"b" é', '"a\\n\\"b\\" é"'),
        (np.float32("nan"), '"NaN"'),
        (jnp.float32(jnp.inf), '"Infinity"'),
        (-math.inf, '"-Infinity"'),
        (jnp.array([1, 2]), "[1, 2]"),
        (jnp.array([[1.5], [jnp.nan]]), '[[1.5], ["NaN"]]'),
        (jnp.ones(1, jnp.bfloat16), "[1.0]"),
        ((1, [2]), "[1, [2]]"),
        ({1: 50.0, "best": 2, 0.5: None}, '{"1": 50.0, "best": 2, "0.5": null}'),
    ],
    ids=str,
)
def test_values(value, written):
    assert line({"a": value}) == f'{{"a": {written}}}\n'
    standard.loads(line({"a": value}), parse_constant=pytest.fail)


def test_what_meters_measure():
    scores, target = [[0.9, 0.1], [0.2, 0.8]], [0, 0]
    row = {
        "loss": AverageValueMeter().add([1.0, 3.0]).value(),
        "one": AverageValueMeter().add(1.0).value(),
        "error": ClassErrorMeter().add(scores, target).value(),
        "confusion": ConfusionMeter(2).add(scores, target).value(),
    }
    assert standard.loads(line(row)) == {
        "loss": {"mean": 2.0, "std": 2**0.5},
        "one": {"mean": 1.0, "std": "NaN"},
        "error": {"1": 50.0},
        "confusion": [[1, 1], [0, 0]],
    }


def test_each_row_has_all_keys_in_order(tmp_path):
    path = tmp_path / "log.jsonl"
    log = Log(["a", "b", "c"], on_flush=[json(["c", "a"], filename=path)])
    log = log.set(a=1, b=2).flush()
    assert path.read_text() == '{"c": null, "a": 1}\n'
    log.set(c="é", a=math.nan).flush()
    rows = path.read_text(encoding="utf-8").splitlines()
    assert [standard.loads(row) for row in rows] == [
        {"c": None, "a": 1},
        {"c": "é", "a": "NaN"},
    ]


def test_half_a_character_is_written_as_its_escape(tmp_path):
    path = tmp_path / "log.jsonl"
    Log(["a"], on_flush=[json(["a"], filename=path)]).set(a="\ud800").flush()
    assert standard.loads(path.read_bytes()) == {"a": "\ud800"}


@pytest.mark.parametrize("value", [object, 1j, Fraction(1, 2), {(1, 2): 3}, {"a"}])
def test_what_json_has_no_form_for_is_named(value):
    with pytest.raises(TypeError, match="json: the value of 'a' must .*, got"):
        line({"a": [value]})


def test_nothing_is_written_of_a_row_that_fails(tmp_path):
    path = tmp_path / "log.jsonl"
    log = Log(["a", "b"], on_flush=[json(["a", "b"], filename=path)])
    with pytest.raises(TypeError):
        log.set(a=1, b=object()).flush()
    assert path.read_text() == ""


def test_files_are_those_of_the_text_view(tmp_path):
    path = tmp_path / "log"
    path.write_text("old\n")
    views = [
        json(["a"], filename=path, append=True),
        text(["a"], filename=path, append=True),
    ]
    Log(["a"], on_flush=views).set(a=1).flush()
    assert path.read_text() == 'old\n{"a": 1}\na 1\n'
    with pytest.raises(ValueError, match="json needs file or filename, got both"):
        json(["a"], file=io.StringIO(), filename=path)
    with pytest.raises(ValueError, match="json needs a filename to append to"):
        json(["a"], append=True)
    with pytest.raises(TypeError, match=r"json needs a list of keys.*\['a'\]"):
        json("a")


def test_repr_names_the_keys():
    assert repr(json(["a", "b"])) == "json(['a', 'b'])"


def test_what_is_masked_is_null():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    assert line({"a": masked[1], "b": masked}) == '{"a": null, "b": [1.0, null]}\n'


def test_names_that_are_the_same_as_text_are_refused():
    with pytest.raises(TypeError, match=r"'a' has names that are the same.*\[1, '1'\]"):
        line({"a": {1: "x", "1": "y"}})
