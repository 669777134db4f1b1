"""Dtypes that mix, those that do not, and conversions that would lose something."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tntjax._dtype import common_dtype, convert, with_one_dtype

RECORD = [("id", "i8"), ("name", "U3")]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("i4", "i4", "i4"),
        ("?", "i4", "i4"),
        ("i1", "u1", "i2"),
        ("u4", "i4", "i8"),
        ("i8", "f4", "f8"),
        ("f4", "c8", "c8"),
        ("U3", "U5", "U5"),
        ("S3", "S5", "S5"),
        ("M8[D]", "M8[s]", "M8[s]"),
        ("m8[s]", "m8[ms]", "m8[ms]"),
        (jnp.bfloat16, "f4", "f4"),
        (RECORD, [("id", "i4"), ("name", "U5")], [("id", "i8"), ("name", "U5")]),
    ],
    ids=str,
)
def test_dtypes_that_mix(first, second, expected):
    assert common_dtype(np.dtype(first), np.dtype(second)) == np.dtype(expected)
    assert common_dtype(np.dtype(second), np.dtype(first)) == np.dtype(expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("i8", "u8"),
        ("?", "U3"),
        ("i4", "U3"),
        ("f8", "S3"),
        ("S3", "U3"),
        ("i4", "O"),
        ("U3", "O"),
        ("m8[s]", "i8"),
        ("m8[s]", "?"),
        ("M8[s]", "i8"),
        ("M8[s]", "m8[s]"),
        ("m8[M]", "m8[s]"),
        ("V4", "i4"),
        ("V4", "V8"),
        (np.dtypes.StringDType(), "i8"),
        (np.dtypes.StringDType(), "U3"),
        (jnp.bfloat16, "f2"),
        (RECORD, [("id", "u8"), ("name", "U3")]),
        (RECORD, [("id", "U3"), ("name", "U3")]),
        (RECORD, [("other", "i8"), ("name", "U3")]),
        (RECORD, "i8"),
        (("i4", 2), "i4"),
    ],
    ids=str,
)
def test_dtypes_that_do_not_mix(first, second):
    for pair in ((first, second), (second, first)):
        with pytest.raises(TypeError, match="No dtype holds both"):
            common_dtype(*map(np.dtype, pair))


def test_keys_of_jax_mix_with_themselves_only():
    keys = jax.random.split(jax.random.key(0), 2)
    assert with_one_dtype([keys, keys])[1].dtype == keys.dtype
    with pytest.raises(TypeError, match=r"No dtype holds both key<fry> and int32"):
        with_one_dtype([keys, jnp.arange(2)])


def test_equal_dtypes_are_not_copied():
    array = np.arange(3)
    assert convert(array, array.dtype) is array


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("dtype", ["f8", "c16"])
def test_an_integer_keeps_its_digits(value, dtype):
    with pytest.raises(TypeError, match=f"has not all digits of {value}"):
        convert(np.array([0, value]), np.dtype(dtype))
    record = np.array([(value,)], [("id", "i8")])
    with pytest.raises(TypeError, match=f"has not all digits of {value}"):
        convert(record, np.dtype([("id", dtype)]))


def test_integers_that_are_floats_are_converted():
    values = [2**53, -(2**53), 0]
    assert convert(np.array(values), np.dtype("f8")).tolist() == values
    assert convert(np.zeros((0, 2), int), np.dtype("f8")).shape == (0, 2)


def test_a_date_keeps_its_place():
    seconds = convert(np.array(["3000-01-01", "NaT"], "M8[D]"), np.dtype("M8[s]"))
    assert seconds.astype(str).tolist() == ["3000-01-01T00:00:00", "NaT"]
    with pytest.raises(TypeError, match=r"datetime64\[ns\] does not reach 3000-01-01"):
        convert(np.array(["2000-01-01", "3000-01-01"], "M8[D]"), np.dtype("M8[ns]"))


def test_jax_arrays_get_one_dtype():
    parts = with_one_dtype([jnp.arange(2), np.arange(2), jnp.ones(2)])
    assert [part.dtype.name for part in parts] == ["float32"] * 3
    assert all(isinstance(part, jax.Array) for part in parts)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.array([2**40]), "int32 has not all digits of 1099511627776"),
        (np.array([-(2**31) - 1]), "int32 has not all digits of -2147483649"),
        (np.array([1], np.uint64), "No dtype holds both int32 and uint32"),
        (jnp.array([1], jnp.uint32), "No dtype holds both int32 and uint32"),
        (np.array(["a"]), "JAX has no arrays of <U1"),
    ],
    ids=str,
)
def test_integers_do_not_wrap_where_they_become_those_of_jax(other, message):
    for arrays in ([jnp.array([-1]), other], [other, jnp.array([-1])]):
        with pytest.raises(TypeError):
            with_one_dtype(arrays)
    with pytest.raises(TypeError, match=message):
        with_one_dtype([jnp.array([-1]), other])


def test_a_masked_array_is_refused():
    masked = np.ma.array([1, 2], mask=[False, True])
    with pytest.raises(TypeError, match=r"int64\[2\] is a masked array.*filled"):
        with_one_dtype([np.arange(2), masked])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([jnp.bfloat16(1.5), jnp.int32(257)], "bfloat16 has not all digits of 257"),
        (
            [jnp.int32(2**24 + 1), jnp.float32(1.5)],
            "float32 has not all digits of 1677",
        ),
        ([jnp.ones(1, jnp.int4), jnp.ones(1, jnp.int8)], "both int4 and int8"),
    ],
)
def test_integers_become_floats_of_all_their_digits(arrays, message):
    with pytest.raises(TypeError, match=message):
        with_one_dtype(arrays)


def test_dtypes_of_other_libraries_and_of_fields_mix():
    floats, integers = np.array([1.5], jnp.bfloat16), np.array([7], np.int8)
    one, other = with_one_dtype([floats, integers])
    assert one.dtype == other.dtype == jnp.bfloat16 and other == 7
    records = [np.ones(1, [("a", kind, (2,))]) for kind in ("i8", "f8")]
    assert [part["a"].tolist() for part in with_one_dtype(records)] == [[[1, 1]]] * 2
