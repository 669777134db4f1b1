import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.utils import md5


def test_golden():
    sample = {"x": np.arange(3, dtype=np.int16), "y": [1, 2.5, None], "z": ("a", b"b")}
    assert md5(sample) == "23d3cfcdc2361231bb450ffb7cb6309e"


def test_the_order_of_keys_does_not_count():
    assert md5({"a": 1, "b": {"c": 2, "d": 3}}) == md5({"b": {"d": 3, "c": 2}, "a": 1})
    assert md5({1: "x", "1": "y"}) == md5({"1": "y", 1: "x"})


def test_where_and_how_an_array_lies_does_not_count():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = md5(array)
    assert md5(jnp.asarray(array)) == first
    assert md5(np.asfortranarray(array)) == first
    assert md5(array.astype(">f4")) == first
    assert md5(np.stack([array, array], -1)[..., 0]) == first


DISTINCT = [
    None,
    False,
    0,
    1,
    True,
    0.0,
    -0.0,
    float("nan"),
    0j,
    "",
    "0",
    b"",
    b"0",
    [],
    (),
    {},
    [0],
    (0,),
    [0, 1],
    [[0], 1],
    [[0, 1]],
    ["ab", "c"],
    ["a", "bc"],
    {"a": 0},
    {"a": 1},
    {"b": 0},
    {"a": {"b": 0}},
    {"a": 0, "b": 1},
    {"a": 1, "b": 0},
    {1: 0},
    {"1": 0},
    np.int32(0),
    np.int64(0),
    np.float64(0),
    np.zeros(1, np.int32),
    np.zeros(4, np.float32),
    np.zeros((2, 2), np.float32),
    np.zeros(4, np.int32),
    np.zeros((1, 4), np.int32),
    np.zeros((0, 4), np.int32),
    np.zeros((4, 0), np.int32),
    jnp.zeros(4, jnp.bfloat16),
    np.zeros(4, np.float16),
    np.array(["a"]),
    np.array(["ab"]),
    2**70,
    "\ud800",
]


def test_what_differs_has_another_sum():
    sums = [md5(value) for value in DISTINCT]
    assert len(set(sums)) == len(DISTINCT)
    assert sums == [md5(value) for value in DISTINCT]
    assert all(len(value) == 32 for value in sums)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, [len], np.array([None]), {"a": {3}}]
)
def test_refuses_what_has_no_canonical_form(value):
    with pytest.raises(TypeError, match="md5 needs arrays"):
        md5(value)
