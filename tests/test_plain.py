from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tntjax as tnt
from tntjax._plain import as_plain


class Pair(NamedTuple):
    left: object
    right: object


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (jnp.float32(0.5), 0.5),
        (jnp.bfloat16(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.zeros(()), 0.0),
        (jnp.int32(3), 3),
        (np.uint8(3), 3),
        (jnp.bool_(True), True),
        (np.str_("x"), "x"),
        (np.complex64(1j), 1j),
        (7, 7),
        (None, None),
        ("x", "x"),
    ],
)
def test_numbers_are_of_python(value, expected):
    assert as_plain(value) == expected
    assert type(as_plain(value)) is type(expected)


def test_arrays_are_of_numpy_and_can_be_written_to():
    array = as_plain(jnp.arange(3))
    assert type(array) is np.ndarray
    array[0] = 5
    assert array.tolist() == [5, 1, 2]
    host = np.zeros(1)
    assert as_plain(host) is host


def test_looks_into_containers_and_keeps_their_order():
    tree = {"b": Pair(jnp.int32(1), [np.float32(2)]), np.int64(1): (jnp.ones(()),)}
    plain = as_plain(tree)
    assert plain == {"b": Pair(1, [2.0]), 1: (1.0,)}
    assert list(plain) == ["b", 1]
    assert [type(key) for key in plain] == [str, int]
    assert type(plain["b"]) is Pair


def test_tracers_and_foreign_objects_stay():
    strange = object()
    assert as_plain([strange])[0] is strange
    assert jax.jit(lambda x: as_plain({"x": x})["x"] + 1)(2.0) == 3.0


def test_a_key_stays_as_it_is():
    key = jax.random.key(0)
    assert as_plain({"key": key})["key"] is key
    with pytest.raises(TypeError, match=r"json: the value of 'key' must be numbers"):
        tnt.Log(["key"], on_flush=[tnt.log.json(["key"])]).set(key=key).flush()
