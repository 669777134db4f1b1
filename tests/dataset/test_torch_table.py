"""Torch's stream of objects: written and read, and never run."""

import pickle
import struct
import tracemalloc
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tntjax.dataset.indexed._torch_read import decode
from tntjax.dataset.indexed._torch_write import TENSORS, encode


def ints(*numbers):
    return struct.pack(f"<{len(numbers)}i", *numbers)


def longs(*numbers):
    return struct.pack(f"<{len(numbers)}q", *numbers)


def text(string):
    return ints(len(string)) + string.encode("latin-1")


def number(value):
    return ints(1) + struct.pack("<d", value)


def table(index, *entries):
    return ints(3, index, len(entries)) + b"".join(key + item for key, item in entries)


def torch(index, name, payload, version: str | None = "V 1"):
    return ints(4, index) + (text(version) if version else b"") + text(name) + payload


def storage(index, kind, array):
    return torch(index, f"torch.{kind}Storage", longs(len(array)) + array.tobytes())


def tensor(index, kind, shape, strides, offset, held):
    numbers = ints(len(shape)) + longs(*shape, *strides, offset)
    return torch(index, f"torch.{kind}Tensor", numbers + held)


SIX = storage(2, "Int", np.arange(6, dtype="<i4"))
ZEROS = np.zeros(6, "<i4")
ONE = np.ones(1, "u1")
GOLDEN = [
    (None, "00000000"),
    (1.0, "01000000 000000000000f03f"),
    ("hé", "02000000 03000000 68c3a9"),
    (True, "05000000 01000000"),
    (False, "05000000 00000000"),
    ([], "03000000 01000000 00000000"),
    (
        [True, "a"],
        "03000000 01000000 02000000"
        "01000000 000000000000f03f  05000000 01000000"
        "01000000 0000000000000040  02000000 01000000 61",
    ),
    (
        {"a": {"b": None}},
        "03000000 01000000 01000000  02000000 01000000 61"
        "03000000 02000000 01000000  02000000 01000000 62  00000000",
    ),
    (
        np.array([[1, 2, 3]], np.uint8),
        "04000000 01000000"
        "03000000 562031  10000000 746f7263682e4279746554656e736f72"  # V 1 ...Tensor
        "02000000  0100000000000000 0300000000000000"  # two axes, sizes
        "0300000000000000 0100000000000000  0100000000000000"  # strides, offset
        "04000000 02000000"
        "03000000 562031  11000000 746f7263682e4279746553746f72616765"
        "0300000000000000 010203",
    ),
    (
        np.zeros(0, np.float32),
        "04000000 01000000"
        "03000000 562031  11000000 746f7263682e466c6f617454656e736f72"
        "00000000  0100000000000000  00000000",  # no axes, offset, no storage
    ),
]


def assert_same(read, written):
    """Equal with equal types, where an int comes back as a float, a tuple as a list."""
    if isinstance(written, np.ndarray):
        assert (read.dtype, read.shape) == (written.dtype, written.shape)
        assert read.tobytes() == written.tobytes()
    elif isinstance(written, dict):
        assert type(read) is dict and list(read) == list(written)
        for key in written:
            assert_same(read[key], written[key])
    elif isinstance(written, list | tuple):
        assert type(read) is list and len(read) == len(written)
        for one, other in zip(read, written, strict=True):
            assert_same(one, other)
    else:
        whole = type(written) is int
        assert type(read) is (float if whole else type(written))
        assert read == written or (read != read and written != written)


@pytest.mark.parametrize(("value", "data"), GOLDEN, ids=lambda x: str(x)[:20])
def test_writes_and_reads_the_bytes_of_torch(value, data):
    assert encode(value).hex() == data.replace(" ", "")
    assert_same(decode(bytes.fromhex(data)), value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(list(TENSORS.values())).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=3, min_side=0))
    )
)
KEYS = (
    st.text(max_size=3)
    | st.integers(-3, 9)
    | st.floats(allow_nan=False).filter(lambda key: not key.is_integer())
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | inner.map(lambda shared: [shared, {"again": shared}])
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(VALUES)
def test_values_come_back_as_they_were(value):
    assert_same(decode(encode(value)), value)


@given(VALUES, st.data())
def test_what_is_not_whole_is_refused(value, data):
    written = encode(value)
    cut = data.draw(st.integers(0, len(written) - 1))
    with pytest.raises(ValueError, match="cut off"):
        decode(written[:cut])
    with pytest.raises(ValueError, match="ends 2 bytes before"):
        decode(written + b"\0\0")
    assert_same(decode(written + b"\0"), value)


@given(VALUES, st.data())
def test_damage_gives_a_value_or_a_value_error(value, data):
    written = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(written) - 1))
        written[at] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(written))
    except ValueError:
        pass


def test_a_dict_with_the_keys_of_a_list_stays_a_dict():
    value = [{1: "a", 2: "b"}, {2.0: "b", 1.0: "a"}, {}, {2: "b"}, ["a", "b"]]
    assert decode(encode(value)) == value


def test_torch_tables_with_keys_1_to_n_are_lists_in_any_order():
    entries = (number(2), number(5)), (number(1), ints(5, 1))
    assert decode(table(1, *entries)) == [True, 5.0]
    assert decode(table(1, (number(2), number(5)))) == {2: 5.0}
    assert decode(table(1, (number(1.5), number(5)))) == {1.5: 5.0}
    assert decode(table(1, (ints(5, 1), number(5)))) == {True: 5.0}


def test_large_whole_keys_stay_floats():
    assert repr(decode(table(1, (number(1e300), ints(0))))) == "{1e+300: None}"


def test_numbers_are_what_numpy_and_jax_call_numbers():
    value = [np.float32(0.5), np.int64(3), np.True_, np.array(2.5), jnp.int32(4)]
    assert decode(encode(value)) == [0.5, 3.0, True, 2.5, 4.0]
    assert decode(encode({np.int64(3): 1})) == {3: 1.0}


def test_jax_arrays_and_any_mapping_are_written():
    value = MappingProxyType({"x": jnp.arange(3, dtype=jnp.int32)})
    assert_same(decode(encode(value)), {"x": np.arange(3, dtype=np.int32)})


def test_one_object_stays_one():
    array, inner = np.arange(3.0), {"k": 1}
    read = decode(encode({"a": array, "b": [array, inner], "c": inner}))
    assert read["a"] is read["b"][0]
    assert read["c"] is read["b"][1]


def test_equal_tuples_become_lists_of_their_own():
    pair = (1, 2)
    first, second = decode(encode([pair, pair]))
    assert first == second and first is not second


def test_shared_tuples_of_tables_are_written_once():
    shared = ()
    for _ in range(90):
        shared = (shared, shared)
    data = encode(shared)
    assert len(data) < 90 * 60
    read = decode(data)
    assert read[0] is read[1] and read[0][0] is read[1][1]
    assert len(encode(shared)) == len(encode(read))


def test_tuples_made_on_the_way_are_not_taken_for_one_another():
    class Lazy(list):
        def __iter__(self):
            return (((key,), [key]) for key in range(50))

    assert decode(encode(Lazy())) == [[[key], [key]] for key in range(50)]


def test_objects_made_on_the_way_are_not_taken_for_one_another():
    class Lazy(dict):
        def items(self):
            return ((key, np.full(2, key)) for key in range(50))

    read = decode(encode(Lazy.fromkeys(range(50))))
    assert all(read[key].tolist() == [key, key] for key in range(50))


def test_arrays_read_are_not_views_of_the_data():
    data = bytearray(encode([np.zeros(3)]))
    array = decode(data)[0]
    array += 1
    assert decode(data)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc")])
def test_bytes_are_refused_with_a_way_out(value):
    with pytest.raises(TypeError, match=r"np.frombuffer\(data, np.uint8\)"):
        encode({"x": value})


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, np.float16),
        np.zeros(2, bool),
        np.zeros(2, np.uint32),
        np.array(["a"]),
        np.complex64(1),
        1j,
        {1, 2},
        np.timedelta64(5, "ns"),  # to NumPy an integer
        np.array(5, "m8[s]"),
        np.timedelta64("NaT", "ns"),
        len,
        object(),
    ],
)
def test_what_no_table_holds_is_refused(value):
    with pytest.raises(TypeError, match="A table holds None, bools, .* got"):
        encode([value])


@pytest.mark.parametrize(
    "key", [None, (1, 2), b"x", float("nan"), np.timedelta64(5, "ns")]
)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(TypeError, match="Keys of a table must be"):
        encode({key: 1})


@pytest.mark.parametrize("value", [2**53 + 1, -(2**60), np.int64(2**62)])
def test_integers_that_are_no_float64_are_refused(value):
    with pytest.raises(ValueError, match="Torch's numbers are float64"):
        encode(value)


def test_what_contains_itself_is_refused():
    loop = []
    loop.append({"x": loop})
    with pytest.raises(ValueError, match="A list contains itself"):
        encode(loop)
    with pytest.raises(ValueError, match="A table contains itself"):
        decode(table(1, (number(1), ints(3, 1))))


def test_how_deep_tables_may_be():
    value = np.zeros(1)
    for _ in range(100):
        value = [value]
    assert_same(decode(encode(value)), value)
    with pytest.raises(ValueError, match="A list is too deep"):
        encode([value])
    deeper = ints(0)
    for index in range(101):
        deeper = table(index + 1, (number(1), deeper))
    with pytest.raises(ValueError, match="nested more than 100 times"):
        decode(deeper)


def nested(levels, value):
    for _ in range(levels):
        value = [value]
    return value


def test_references_to_deep_tables_are_as_deep():
    shared = nested(60, [np.zeros(1)])
    assert len(decode(encode([shared, nested(38, shared)]))) == 2
    for value in [shared, nested(39, shared)], {1: shared, 2: nested(39, [shared])}:
        with pytest.raises(ValueError, match="is too deep"):
            encode(value)


@pytest.mark.parametrize(("levels", "fits"), [(38, True), (39, False)])
def test_references_do_not_make_tables_deeper_than_they_may_be(levels, fits):
    shared = ints(0)
    for index in range(61):
        shared = table(10 + index, (number(1), shared))
    chain = ints(3, 70)
    for index in range(levels):
        chain = table(100 + index, (number(1), chain))
    data = table(1, (number(1), shared), (number(2), chain))
    if fits:
        assert len(decode(data)) == 2
    else:
        with pytest.raises(ValueError, match="nested more than 100 times"):
            decode(data)


def test_a_storage_in_the_deepest_table_may_be_shared():
    held = table(1, (number(1), tensor(1000, "Int", [6], [1], 1, SIX)))
    for index in range(98):
        held = table(10 + index, (number(1), held))
    deep = tensor(2000, "Int", [2], [3], 1, ints(4, 2))
    for index in range(99):
        deep = table(200 + index, (number(1), deep))
    first, second = decode(table(5, (number(1), held), (number(2), deep)))
    for _ in range(99):
        first, second = first[0], second[0]
    assert first.tolist() == [0, 1, 2, 3, 4, 5] and second.tolist() == [0, 3]


@pytest.mark.parametrize("tag", [6, 7, 8])
def test_functions_are_never_loaded(tag):
    code = ints(tag, 1) + text("\x1bLua") + ints(0)
    with pytest.raises(ValueError, match=rf"A Lua function .* \(tag {tag}\).*never"):
        decode(code)


def test_functions_inside_a_table_are_never_loaded():
    code = ints(8, 2) + text("\x1bLua") + table(3)
    with pytest.raises(ValueError, match="A Lua function"):
        decode(table(1, (ints(2) + text("f"), code)))


@pytest.mark.parametrize("tag", [-1, 9, 100])
def test_unknown_tags_are_refused(tag):
    with pytest.raises(ValueError, match=f"no type with tag {tag}"):
        decode(ints(tag))


def test_other_classes_are_refused_by_name():
    with pytest.raises(ValueError, match=r"An object of class 'nn\.Linear'"):
        decode(torch(1, "nn.Linear", table(2)))


def test_strings_that_are_no_text_are_bytes():
    assert decode(ints(2) + text("\xff\xd8")) == b"\xff\xd8"
    assert decode(table(1, (ints(2) + text("\xff"), ints(0)))) == {b"\xff": None}


@pytest.mark.parametrize(
    "key",
    [ints(0), number(float("nan")), table(2), tensor(2, "Int", [], [], 1, ints(0))],
)
def test_keys_that_python_has_not_are_refused(key):
    with pytest.raises(ValueError, match="A table has a key of"):
        decode(table(1, (key, ints(0))))


def test_keys_that_are_one_in_python_are_refused():
    with pytest.raises(ValueError, match="Two keys of a table are True"):
        decode(table(1, (number(1), ints(0)), (ints(5, 1), ints(0))))


def test_storages_are_arrays():
    assert_same(decode(SIX), np.arange(6, dtype=np.int32))
    assert_same(decode(storage(1, "Long", np.zeros(0))), np.zeros(0, np.int64))


def test_objects_from_before_torch_had_versions_are_read():
    held = storage(2, "Int", np.arange(2, dtype="<i4"))
    numbers = ints(1) + longs(2, 1, 1)
    read = decode(torch(1, "torch.IntTensor", numbers + held, version=None))
    assert read.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ([2, 3], [3, 1], 1, [[0, 1, 2], [3, 4, 5]]),
        ([3, 2], [1, 3], 1, [[0, 3], [1, 4], [2, 5]]),
        ([2, 2], [3, 1], 2, [[1, 2], [4, 5]]),
        ([2], [5], 1, [0, 5]),
        ([1, 2], [2**62, 1], 5, [[4, 5]]),
        ([1, 2], [0, 1], 5, [[4, 5]]),
        ([], [], 1, []),
        ([0, 3], [3, 1], 1, []),
    ],
)
def test_tensors_may_be_any_part_of_their_storage(shape, strides, offset, expected):
    read = decode(tensor(1, "Int", shape, strides, offset, SIX))
    assert read.tolist() == expected
    assert read.flags.writeable


def test_two_tensors_may_share_a_storage():
    first = tensor(1, "Int", [2], [1], 1, SIX)
    second = tensor(3, "Int", [2], [3], 3, ints(4, 2))
    read = decode(table(9, (number(1), first), (number(2), second)))
    assert [part.tolist() for part in read] == [[0, 1], [2, 5]]


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ([5], [0], 6, [5, 5, 5, 5, 5]),
        ([2, 3], [0, 2], 1, [[0, 2, 4], [0, 2, 4]]),
        ([2, 3], [3, 0], 1, [[0, 0, 0], [3, 3, 3]]),
        ([3, 1, 3], [1, 9, 2], 1, [[[0, 2, 4]], [[1, 3, 5]], [[2, 4, 6]]]),
        ([3, 4], [1, 1], 1, [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]),
    ],
)
def test_tensors_that_repeat_their_storage_are_read_only(
    shape, strides, offset, expected
):
    held = storage(2, "Int", np.arange(7, dtype="<i4"))
    read = decode(tensor(1, "Int", shape, strides, offset, held))
    assert read.tolist() == expected
    assert not read.flags.writeable and read.copy().flags.writeable


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), min_size=1, max_size=3)
)
def test_any_tensor_holds_what_its_strides_say(axes):
    shape, strides = map(list, zip(*axes, strict=True))
    places = sum(np.indices(shape)[i] * step for i, step in enumerate(strides))
    held = storage(2, "Int", np.arange(1, 1 + np.max(places), dtype="<i4"))
    with pytest.raises(ValueError, match="does not fit its storage"):
        decode(tensor(1, "Int", shape, strides, 1, held))
    held = storage(2, "Int", np.arange(1 + np.max(places), dtype="<i4"))
    read = decode(tensor(1, "Int", shape, strides, 1, held))
    assert np.array_equal(read, places)
    assert not read.flags.writeable or len(np.unique(places)) == read.size


def sharing(count, shape, strides, held):
    first = tensor(1, "Byte", shape, strides, 1, held)
    rest = (tensor(i, "Byte", shape, strides, 1, ints(4, 2)) for i in range(3, count))
    return table(0, *((number(i), x) for i, x in enumerate([first, *rest])))


def test_tensors_that_share_a_storage_take_its_memory_once():
    data = sharing(300, [512, 512], [1, 512], storage(2, "Byte", np.zeros(2**18, "u1")))
    tracemalloc.start()
    read = decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read) == 298 and peak < 2 * len(data)
    read[7][3, 4] = 9
    assert read[0][3, 4] == 9 and read[0][4, 3] == 0
    assert len(pickle.dumps(read[0][:1])) < 2000  # and not the whole storage


@pytest.mark.parametrize(
    ("shape", "strides"),
    [([10**12], [0]), ([2**40, 2**40], [0, 0]), ([2**62] * 64, [0] * 64)],
)
def test_one_number_does_not_become_a_terabyte(shape, strides):
    with pytest.raises(ValueError, match="Tensors that share or repeat storages"):
        decode(tensor(1, "Int", shape, strides, 1, SIX))


def test_what_tensors_repeat_is_bounded_together():
    held = storage(2, "Byte", np.zeros(2**18, "u1"))
    assert len(decode(sharing(12, [2**5, 2**18], [0, 1], held))) == 10
    with pytest.raises(ValueError, match="Tensors that share or repeat storages"):
        decode(sharing(13, [2**5, 2**18], [0, 1], held))


def test_a_tensor_counts_at_each_place():
    first = tensor(1, "Byte", [2**20], [0], 1, storage(2, "Byte", ONE))
    again = bytes.fromhex("04000000 01000000")
    places = [first, *[again] * 63]
    held = table(0, *((number(i), x) for i, x in enumerate(places)))
    assert len(decode(held)) == 64
    held = table(0, *((number(i), x) for i, x in enumerate([*places, again])))
    with pytest.raises(ValueError, match="Tensors that share or repeat storages"):
        decode(held)


def test_one_number_does_not_become_a_gigabyte():
    with pytest.raises(ValueError, match="Tensors that share or repeat storages"):
        decode(tensor(1, "Byte", [2**27], [0], 1, storage(2, "Byte", ONE)))


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [2**62, 0], [0] * 64])
def test_empty_tensors_have_any_shape_numpy_has_or_are_refused(shape):
    try:
        read = decode(tensor(1, "Int", shape, [0] * len(shape), 1, ints(0)))
        assert read.shape == tuple(shape)
    except ValueError:
        assert max(shape) == 2**62


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "held"),
    [
        ([7], [1], 1, SIX),
        ([2], [6], 1, SIX),
        ([2], [1], 6, SIX),
        ([2], [1], 0, SIX),
        ([2], [1], 1, ints(0)),
        ([2], [1], 1, number(1)),
        ([2], [1], 1, storage(2, "Float", np.zeros(6, "<f4"))),
        ([2, 3], [0, 3], 1, SIX),
        ([2, 2], [2**62, 2**62], 1, SIX),
        ([1], [0], 2**63 - 1, SIX),
        ([3], [1], 1, tensor(2, "Int", [3, 0], [1, 1], 1, ints(0))),
        ([3], [1], 1, tensor(2, "Int", [6], [1], 1, storage(3, "Int", ZEROS))),
        ([3], [1], 1, tensor(2, "Int", [6], [0], 1, storage(3, "Int", ZEROS))),
    ],
)
def test_tensors_that_do_not_fit_their_storage_are_refused(
    shape, strides, offset, held
):
    with pytest.raises(ValueError, match="does not fit its storage"):
        decode(tensor(1, "Int", shape, strides, offset, held))


@pytest.mark.parametrize(
    ("shape", "strides"), [([-1], [1]), ([2], [-1]), ([1] * 65, [1] * 65)]
)
def test_tensors_of_impossible_shapes_are_refused(shape, strides):
    with pytest.raises(ValueError, match="A tensor has shape"):
        decode(tensor(1, "Int", shape, strides, 1, SIX))


def test_storages_inside_storages_do_not_exhaust_the_stack():
    held = ints(0)
    for index in range(3000):
        held = tensor(index, "Int", [1], [1], 1, held)
    with pytest.raises(ValueError, match="nested more than"):
        decode(held)
