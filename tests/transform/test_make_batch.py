import dataclasses
import operator
import sys
from collections import OrderedDict, UserDict, defaultdict
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from tntjax.transform import make_batch
from tntjax.transform._batch import BLOCK, stack_rows
from tntjax.transform._column import _HostArrays

LONG = 2 * BLOCK + 3  # more than one block


class Pair(NamedTuple):
    input: object
    target: object


class Tensor:
    """Like a torch tensor: no NumPy array, but soon made one."""

    def __init__(self, data):
        self.data = np.asarray(data)

    def __array__(self, dtype=None, copy=None):
        return self.data


@settings(max_examples=50)
@given(
    st_np.arrays(
        st.sampled_from([np.float32, np.uint8, np.int64, bool, np.complex64, "U3"]),
        st_np.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4),
    )
)
def test_is_np_stack(arrays):
    batch = make_batch()([{"x": row} for row in arrays])["x"]
    np.testing.assert_array_equal(batch, arrays)
    if arrays.ndim > 1:
        assert batch.dtype == arrays.dtype


@pytest.mark.parametrize("count", [1, BLOCK, LONG])
def test_stacks_arrays_and_numbers(count):
    samples = [{"input": np.full((2, 3), i), "target": i} for i in range(count)]
    batch = make_batch()(samples)
    assert batch["input"].shape == (count, 2, 3)
    assert batch["input"][:, 0, 0].tolist() == list(range(count))
    assert batch["target"].tolist() == list(range(count))


def test_does_not_share_memory_with_samples():
    sample = {"x": np.zeros(2)}
    batch = make_batch()([sample])
    batch["x"][:] = 1
    assert sample["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], np.int64),
        ([1.0, 2.0], np.float64),
        ([True, False], np.bool_),
        ([1, 2.5], np.float64),
        ([True, 2], np.int64),
        ([np.float32(1), np.float32(2)], np.float32),
        ([np.uint8(1), np.int64(2)], np.int64),
        ([1, np.array(2, np.int8)], np.int64),
        ([np.datetime64("2016-06-01")] * 2, "datetime64[D]"),
    ],
)
def test_numbers_become_an_array(values, dtype):
    batch = make_batch()(values)
    assert type(batch) is np.ndarray
    assert batch.dtype == dtype
    assert batch.tolist() == np.asarray(values).tolist()


def test_dtypes_that_differ_are_promoted_not_cut():
    rows = [np.array([1, 2], np.int32)] * LONG + [np.array([0.5, 1.5])]
    batch = make_batch()(rows)
    assert batch.dtype == np.float64
    assert batch[0].tolist() == [1, 2] and batch[-1].tolist() == [0.5, 1.5]
    assert make_batch()([1] * LONG + [0.5])[-1] == 0.5
    assert make_batch()([np.array(1), np.array(0.5)]).tolist() == [1.0, 0.5]


def test_foreign_byte_order_becomes_native():
    rows = [np.array([1, 2], ">i4"), np.array([3, 4], ">i4")]
    batch = make_batch()(rows)
    assert batch.dtype == np.int32 and batch.dtype.isnative
    assert batch.tolist() == [[1, 2], [3, 4]]


def test_bfloat16_stays():
    rows = [np.ones(2, ml_dtypes.bfloat16)] * 2
    assert make_batch()(rows).dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("values", [["a", "b"], [b"a", b"b"], [None, None], [[1], []]])
def test_other_objects_stay_a_list(values):
    assert make_batch()([{"x": value} for value in values]) == {"x": values}
    assert make_batch()([{"x": np.str_("a")}])["x"] == ["a"]


def test_jax_arrays_are_stacked_where_they_are():
    batch = make_batch()([{"x": jnp.ones(2), "y": np.ones(2)}] * 3)
    assert isinstance(batch["x"], jax.Array) and batch["x"].shape == (3, 2)
    assert type(batch["y"]) is np.ndarray


def test_works_on_tracers():
    stacked = jax.jit(lambda x: make_batch()([{"x": x, "y": 1}, {"x": x, "y": x[0]}]))
    batch = stacked(jnp.array([1.0, 2.0]))
    assert batch["x"].tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert batch["y"].tolist() == [1.0, 1.0]


def test_the_first_sample_says_where_a_field_goes():
    host_first = make_batch()([np.zeros(2), jnp.ones(2)])
    assert type(host_first) is np.ndarray and host_first.tolist() == [[0, 0], [1, 1]]
    assert isinstance(make_batch()([jnp.zeros(2), np.ones(2)]), jax.Array)


def test_random_keys_are_stacked():
    keys = list(jax.random.split(jax.random.key(0), 3))
    assert make_batch()(keys).shape == (3,)


def test_arrays_of_other_libraries():
    batch = make_batch()([(Tensor([1.0, 2.0]), Tensor(3)), (Tensor([4.0, 5.0]), 6)])
    assert batch[0].tolist() == [[1.0, 2.0], [4.0, 5.0]]
    assert batch[1].tolist() == [3, 6]


def test_views_of_a_memory_map(tmp_path):
    data = np.memmap(tmp_path / "data", np.int16, "w+", shape=(3, 4))
    data[:] = np.arange(12).reshape(3, 4)
    batch = make_batch()([data[i] for i in range(3)])
    assert type(batch) is np.ndarray
    assert batch.tolist() == data.tolist()


def test_samples_may_nest():
    samples = [{"a": {"b": np.array([i]), "c": (i, str(i))}} for i in range(2)]
    batch = make_batch()(samples)
    assert batch["a"]["b"].tolist() == [[0], [1]]
    assert batch["a"]["c"][0].tolist() == [0, 1]
    assert batch["a"]["c"][1] == ["0", "1"]


def test_kinds_of_samples():
    pair = make_batch()([Pair(1, 2), Pair(3, 4)])
    assert type(pair) is Pair and pair.input.tolist() == [1, 3]
    assert make_batch()([(1, 2), (3, 4)])[1].tolist() == [2, 4]
    assert make_batch()([OrderedDict(a=1)] * 2)["a"].tolist() == [1, 1]
    assert make_batch()([UserDict(a=1), {"a": 2}])["a"].tolist() == [1, 2]
    assert make_batch()([()]) == ()
    assert make_batch()([{}]) == {}


def test_order_of_keys_does_not_matter():
    batch = make_batch()([{"a": 1, "b": 2}, {"b": 4, "a": 3}])
    assert list(batch) == ["a", "b"] and batch["a"].tolist() == [1, 3]


def test_zero_elements():
    assert make_batch()([np.zeros((0, 3))] * 2).shape == (2, 0, 3)
    assert make_batch()([np.zeros((3, 0))] * 2).shape == (2, 3, 0)


def test_merge_is_given_the_whole_batch():
    samples = [{"input": 1, "target": "a"}, {"input": 2, "target": "b"}]
    given = make_batch(merge=lambda whole: whole)(samples)
    assert given == {"input": [1, 2], "target": ["a", "b"]}


def test_merge_is_given_bare_samples_as_they_are():
    assert make_batch(merge=lambda whole: whole)([1, 2]) == [1, 2]
    assert make_batch(merge=lambda whole: whole)([(1, 2), (3, 4)]) == ([1, 3], [2, 4])


def test_merge_must_be_a_function():
    with pytest.raises(TypeError, match="make_batch needs a function, but merge is 3"):
        make_batch(merge=3)


def test_stack_rows_reads_no_more_than_it_is_told():
    read = []

    def samples():
        for i in range(100):
            read.append(i)
            yield {"x": i}

    assert stack_rows(samples(), 3)["x"].tolist() == [0, 1, 2]
    assert read == [0, 1, 2]


@pytest.mark.parametrize("given", [0, 2, LONG])
def test_stack_rows_needs_as_many_as_it_is_told(given):
    with pytest.raises(
        ValueError, match=f"Expected {LONG + 1} samples to stack, got {given}"
    ):
        stack_rows(iter([np.zeros(2)] * given), LONG + 1)


def test_a_sample_costs_a_few_calls():
    def calls(size):
        samples = [{"input": np.zeros((28, 28), "f"), "target": i} for i in range(size)]
        batch, counted = make_batch(), []
        sys.setprofile(lambda frame, event, arg: counted.append(event))
        batch(samples)
        sys.setprofile(None)
        return sum("call" in event for event in counted)

    assert calls(256) - calls(128) < 128 * 5


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Sides:
    left: object
    right: object
    unit: str = dataclasses.field(default="m", metadata={"static": True})


def test_a_registered_dataclass_is_stacked_like_any_pytree():
    batch = make_batch()([Sides(np.zeros(2), {"a": n}) for n in range(3)])
    assert isinstance(batch, Sides)
    assert batch.left.shape == (3, 2)
    assert batch.right["a"].tolist() == [0, 1, 2]
    assert batch.unit == "m"


@pytest.mark.parametrize(
    "first", [OrderedDict(b=1, a=[2]), defaultdict(int, b=1, a=[2])], ids=type
)
def test_dicts_that_jax_knows_keep_their_type(first):
    batch = make_batch()([first, first])
    assert type(batch) is type(first)
    assert list(batch) == ["b", "a"]
    assert batch["a"] == [[2], [2]]


@pytest.mark.parametrize("other", [Sides(1, 2, "km"), (1, 2), None], ids=str)
def test_pytrees_of_other_structure_are_an_error(other):
    with pytest.raises(TypeError, match=r"in sample 1 of the batch.*of one kind"):
        make_batch()([{"x": Sides(1, 2)}, {"x": other}])


def test_an_error_names_the_field_of_a_dataclass():
    with pytest.raises(ValueError, match=r"Can't stack field 'x.left'"):
        make_batch()([{"x": Sides(np.zeros(n), 0)} for n in (1, 2)])


def test_none_stays_in_a_list():
    assert make_batch()([{"x": None}, {"x": "a"}]) == {"x": [None, "a"]}
    assert make_batch()([{"x": None}, {"x": None}]) == {"x": [None, None]}


class Size(tuple):
    """Like torch's, which takes integers only."""

    def __new__(cls, numbers):
        return super().__new__(cls, map(operator.index, numbers))


def test_a_tuple_that_holds_no_arrays_becomes_a_plain_one():
    batch = make_batch()([{"size": Size([2, 3])}, {"size": Size([4, 5])}])
    assert type(batch["size"]) is tuple
    assert [column.tolist() for column in batch["size"]] == [[2, 4], [3, 5]]


class Picture:
    """Has pixels as PIL's images have them, and no `__array__`."""

    def __init__(self, pixel):
        self.pixel = pixel

    @property
    def __array_interface__(self):
        pixels = bytes([self.pixel] * 6)
        return {"shape": (2, 3), "typestr": "|u1", "version": 3, "data": pixels}


def test_images_are_arrays():
    batch = make_batch()([{"input": Picture(1)}, {"input": Picture(2)}])
    assert batch["input"].dtype == np.uint8
    assert batch["input"].tolist() == [[[1] * 3] * 2, [[2] * 3] * 2]


def test_images_of_pil_are_arrays():
    image = pytest.importorskip("PIL.Image")
    batch = make_batch()([image.new("RGB", (2, 3), color) for color in ("red", "blue")])
    assert batch.shape == (2, 3, 2, 3)
    assert batch[:, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    "rows",
    [
        [np.ones(2, ">f4")] * 9,
        [np.ones(2)] + [np.ones(2, np.float32)] * 9,
        [np.array(["abc"])] + [np.array(["a"])] * 9,
        [np.ones(2, np.float32)] + [np.ones(2)] * 9,
    ],
    ids=["bytes", "wide", "strings", "narrow"],
)
def test_rows_of_another_dtype_are_not_copied_again(rows, monkeypatch):
    widened, widen = [], _HostArrays.widen

    def spy(self, done, dtype):
        widened.append(dtype)
        widen(self, done, dtype)

    monkeypatch.setattr(_HostArrays, "widen", spy)
    batch = make_batch()(rows)
    np.testing.assert_array_equal(batch, np.stack(rows))
    assert len(widened) <= 1
