"""What cannot be made a batch of is named, with the way out."""

from collections import Counter, UserDict, defaultdict

import jax.numpy as jnp
import numpy as np
import pytest

from tntjax.transform import make_batch
from tntjax.transform._batch import BLOCK

LONG = 2 * BLOCK + 3  # more than one block


@pytest.mark.parametrize(
    ("first", "other", "shown"),
    [
        (np.zeros((3, 5)), np.zeros((2, 5)), "float64[3,5]|float64[2,5]"),
        (np.zeros((3, 5)), np.zeros((5, 3)), "float64[3,5]|float64[5,3]"),
        (np.zeros((2, 6)), np.zeros((3, 4)), "float64[2,6]|float64[3,4]"),
        (np.zeros((2, 6)), np.zeros((2, 4)), "float64[2,6]|float64[2,4]"),
        (np.zeros(3), np.zeros(1), "float64[3]|float64[1]"),
        (np.zeros(3), 1.5, "float64[3]|float64[]"),
        (np.zeros(3), np.zeros(()), "float64[3]|float64[]"),
        (1, np.zeros(2), "1|float64[2]"),
        (jnp.zeros(3), jnp.zeros(2), "float32[3]|float32[2]"),
    ],
)
def test_unequal_shapes_are_named(first, other, shown):
    samples = [{"input": {"left": first}}] * LONG + [{"input": {"left": other}}]
    with pytest.raises(ValueError) as error:
        make_batch()(samples)
    text = str(error.value)
    one, two = shown.split("|")
    assert f"Can't stack field 'input.left': {one} in sample 0, {two} in" in text
    assert f"in sample {LONG} of the batch" in text
    assert "Wrong:\n    make_batch()(samples)" in text
    assert "rows = fields['input']" in text and "make_batch(merge)(samples)" in text


def test_the_way_out_that_the_error_shows_works():
    def merge(fields):
        rows = fields["x"]
        longest = max(len(row) for row in rows)
        padded = [np.pad(row, (0, longest - len(row))) for row in rows]
        return {**fields, "x": np.stack(padded)}

    samples = [{"x": np.ones(2), "n": "a"}, {"x": np.ones(3), "n": "b"}]
    batch = make_batch(merge)(samples)
    assert batch["x"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch["n"] == ["a", "b"]


def test_unequal_shapes_of_bare_arrays():
    with pytest.raises(ValueError, match="Can't stack the samples"):
        make_batch()([np.zeros(3), np.zeros(2)])


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (np.zeros(3), "text"),
        (np.zeros(3), [1, 2, 3]),
        (jnp.zeros(3), None),
        (1, None),
        (1, "1"),
        (None, 1),
        ("text", np.zeros(3)),
    ],
)
def test_a_field_that_changes_its_kind_is_named(first, other):
    with pytest.raises(TypeError, match="make a batch of field 'x'.*sample 1"):
        make_batch()([{"x": first}, {"x": other}])


def test_keys_that_differ_are_named():
    with pytest.raises(ValueError, match="sample 1 lacks 'y', which sample 0 has"):
        make_batch()([{"x": 1, "y": 2}, {"x": 1}])
    with pytest.raises(ValueError, match="sample 1 lacks 'y', which sample 0 has"):
        make_batch()([{"x": 1, "y": 2}, {"x": 1, "z": 2}])
    with pytest.raises(ValueError, match="sample 1 has 'z', which sample 0 lacks"):
        make_batch()([{"x": 1}, {"x": 1, "z": 2}])
    with pytest.raises(ValueError, match="sample 1 at field 'a' lacks 'y'"):
        make_batch()([{"a": {"y": 1}}, {"a": {"x": 1}}])


def test_samples_of_another_kind_are_named():
    with pytest.raises(TypeError, match="sample 1 is 3 where sample 0 is {'x': 1}"):
        make_batch()([{"x": 1}, 3])
    with pytest.raises(ValueError, match="sample 1 has 1 where sample 0 has 2"):
        make_batch()([(1, 2), (1,)])


def test_a_lazy_sample_may_raise_its_own_key_error():
    class Lazy(UserDict):
        def __getitem__(self, key):
            raise KeyError("the record is broken")

    with pytest.raises(KeyError, match="the record is broken"):
        make_batch()([{"x": 1}, Lazy(x=2)])


def test_needs_samples():
    with pytest.raises(ValueError, match="make_batch needs at least one sample"):
        make_batch()([])


@pytest.mark.parametrize(
    "values",
    [
        [np.array([1]), np.array(["a"])],
        [np.array([1]), np.array([None])],
        [np.datetime64("2020-01-01"), 3],
        [1, 2**64],
    ],
    ids=str,
)
def test_numbers_do_not_become_strings_or_objects(values):
    with pytest.raises(TypeError, match="Can't make a batch of the samples"):
        make_batch()(values)


BIG = 2**53 + 1


@pytest.mark.parametrize(
    "values",
    [
        [2**63 + 1, 1],
        [1, 2**63 + 1],
        [1, 2**64],
        [2**64],
        [1, True, -(2**63) - 1],
        [np.int64(1), np.uint64(2)],
        [np.uint64(1), 2],
        [np.array([1]), np.array([2], np.uint64)],
        [np.array(1), np.array(2, np.uint64)],
        [BIG, 0.5],
        [0.5, BIG],
        [np.int64(BIG), np.float32(0.5)],
        [1j, BIG],
        [np.array([BIG]), np.array([0.5])],
        [np.array([0.5], np.float32), np.array([BIG])],
        [jnp.int32(1), np.int64(2**40)],
        [jnp.int32(1), 2**40],
        [2**40, jnp.int32(1)],
        [jnp.arange(2), np.array([0, 2**40])],
        [jnp.int32(-1), jnp.uint32(2**31 + 5)],
        [jnp.array([-1]), jnp.array([2**31 + 5], jnp.uint32)],
    ],
    ids=str,
)
def test_integers_that_do_not_fit_are_an_error(values):
    samples = [{"id": values[0]}] * LONG + [{"id": value} for value in values[1:]]
    with pytest.raises(TypeError, match="Can't make a batch of field 'id'"):
        make_batch()(samples)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2**63 + 1, 2**64 - 1], np.uint64),
        ([1, 0.5], np.float64),
        ([True, 2], np.int64),
        ([np.int32(1), 2], np.int64),
        ([np.float32(0.5), 2], np.float64),
        ([2**53, 0.5], np.float64),
        ([jnp.int32(1), 2**31 - 1], np.int32),
        ([np.datetime64("2000-01-01"), np.datetime64("2000-01-01T00")], "M8[h]"),
    ],
    ids=str,
)
def test_numbers_that_fit_keep_their_values(values, expected):
    batch = make_batch()(values)
    assert batch.dtype == expected
    assert batch.tolist() == np.array(values, expected).tolist()


DAY, LONG_AGO = np.datetime64("2000-01-01"), np.datetime64("1000-01-01T00:00:00")


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (DAY, 1),
        (1, DAY),
        (np.timedelta64(1, "s"), 1),
        (1, np.timedelta64(1, "s")),
        (True, np.timedelta64(1, "s")),
        (DAY, np.timedelta64(1, "s")),
        (np.datetime64("2000-01-01T00:00:00", "ns"), LONG_AGO),
        (LONG_AGO, np.datetime64("2000-01-01T00:00:00", "ns")),
        (1, np.array("a")),
        (np.array("a"), 1),
        (True, np.array("a")),
        (np.array(["a"]), np.array([True])),
        (np.array([b"a"]), np.array(["a"])),
        (np.array([None]), np.array([1])),
        (np.array([1]), np.array([None])),
        (np.array(["a"]), np.array([None])),
        (jnp.arange(1), np.array(["a"])),
        ("a", 1),
        (None, {"y": 1}),
        (None, (1, 2)),
        ("a", (1, 2)),
        (np.array([DAY]), np.array([1])),
        (np.array([1]), np.array([1], "m8[s]")),
        (np.array([(1,)], "i4,")[0], np.array([("a",)], "U1,")[0]),
    ],
    ids=str,
)
def test_kinds_do_not_mix(first, other):
    samples = [{"x": first}] * LONG + [{"x": other}]
    with pytest.raises(TypeError, match="Can't make a batch of field 'x'"):
        make_batch()(samples)


MASKED = np.ma.array([1, 2], mask=[False, True])


@pytest.mark.parametrize(
    "values",
    [
        [MASKED, MASKED],
        [np.arange(2), MASKED],
        [jnp.arange(2), MASKED],
        [MASKED[0], MASKED[1]],
        [np.ma.masked, np.ma.masked],
    ],
    ids=str,
)
def test_a_mask_is_not_lost(values):
    with pytest.raises(TypeError, match=r"'x': a value is a masked array.*filled\(0\)"):
        make_batch()([{"x": value} for value in values])


@pytest.mark.parametrize("kind", [Counter, lambda **x: defaultdict(int, **x)])
def test_a_mapping_that_answers_for_any_key(kind):
    samples = [kind(a=1), kind(b=2)]
    with pytest.raises(ValueError, match="sample 1 lacks 'a'"):
        make_batch()(samples)
    assert list(samples[1]) == ["b"]
    batch = make_batch()([kind(a=1), kind(a=2)])
    assert batch["a"].tolist() == [1, 2]
