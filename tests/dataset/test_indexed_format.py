"""The bytes of archives, written out by hand, and what is refused at opening."""

import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tntjax.dataset.indexed._format as layout
from tests.dataset._archives import contents, names_in, put, write
from tntjax.dataset import IndexedDatasetReader

HEAD = "544e 5449 4458 0000" + "0100 0000 0000 0000"  # TNTIDX, version 1
Q = "{:02x}00 0000 0000 0000"


def longs(*numbers):
    return " ".join(Q.format(number) for number in numbers)


# Of each type two items: [[1, 2], [3, 4]], then [255 or -1]. N = 2, S = 3, then where
# shapes start, where elements start, and the sizes 2, 2 and 1.
TAIL = longs(2, 3) + longs(0, 2, 3) + longs(0, 4, 5) + longs(2, 2, 1)
GOLDEN = {
    "byte": ("uint8", longs(1, 1), "01 02 03 04 ff"),
    "char": ("int8", longs(2, 1), "01 02 03 04 ff"),
    "short": ("int16", longs(3, 2), "0100 0200 0300 0400 ffff"),
    "int": ("int32", longs(4, 4), "01000000 02000000 03000000 04000000 ffffffff"),
    "long": ("int64", longs(5, 8), longs(1, 2, 3, 4) + "ff" * 8),
    "float": ("float32", longs(6, 4), "0000803f 00000040 00004040 00008040 000080bf"),
    "double": (
        "float64",
        longs(7, 8),
        "000000000000f03f 0000000000000040 0000000000000840 0000000000001040"
        "000000000000f0bf",
    ),
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_writes_the_bytes_of_torchnet(tmp_path, kind):
    dtype, code, data = GOLDEN[kind]
    last = np.array([-1]).astype(dtype)
    names = write(tmp_path, kind, [np.array([[1, 2], [3, 4]], dtype), last])
    index = bytes.fromhex(HEAD + code + TAIL)
    assert contents(names) == [index, bytes.fromhex(data)]


@pytest.mark.parametrize("kind", GOLDEN)
@pytest.mark.parametrize("mmap", [True, False])
def test_reads_the_bytes_of_torchnet(tmp_path, kind, mmap):
    dtype, code, data = GOLDEN[kind]
    names = names_in(tmp_path)
    put(names, bytes.fromhex(HEAD + code + TAIL), bytes.fromhex(data))
    reader = IndexedDatasetReader(*names, mmap)
    assert (len(reader), reader.kind) == (2, kind)
    first, second = reader
    assert (first.dtype, second.dtype) == (dtype, dtype)
    assert first.tolist() == [[1, 2], [3, 4]]
    assert second.tolist() == np.array([-1]).astype(dtype).tolist()


def test_a_table_has_the_bytes_of_torchnet(tmp_path):
    # table, index 1, 1 entry; string of 1, "x"; number 2.5; 33 bytes in all
    data = "03000000 01000000 01000000  02000000 01000000 78  01000000 0000000000000440"
    names = write(tmp_path, "table", [{"x": 2.5}])
    index = HEAD + longs(8, 1) + longs(1, 1) + longs(0, 1) + longs(0, 33) + longs(33)
    assert contents(names) == [bytes.fromhex(index), bytes.fromhex(data)]
    assert list(IndexedDatasetReader(*names)) == [{"x": 2.5}]


def test_an_empty_archive_has_an_index_of_64_bytes(tmp_path):
    names = write(tmp_path, "float", [])
    index = HEAD + longs(6, 4) + longs(0, 0) + longs(0) + longs(0)
    assert contents(names) == [bytes.fromhex(index), b""]
    reader = IndexedDatasetReader(*names)
    assert list(reader) == [] and reader.uniform_length == 0


def test_an_empty_array_has_no_axes_in_the_file(tmp_path):
    names = write(tmp_path, "byte", [np.zeros(0, np.uint8), np.ones(1, np.uint8)])
    index = (
        HEAD + longs(1, 1) + longs(2, 1) + longs(0, 0, 1) + longs(0, 0, 1) + longs(1)
    )
    assert contents(names) == [bytes.fromhex(index), b"\1"]
    assert IndexedDatasetReader(*names)[0].shape == (0,)


def test_arrays_of_other_byte_order_or_stride_are_written_alike(tmp_path):
    array = np.arange(6, dtype=">i2").reshape(2, 3).T
    names = write(tmp_path, "short", [array])
    assert contents(names)[1].hex() == "000003000100040002000500"
    assert IndexedDatasetReader(*names)[0].tolist() == [[0, 3], [1, 4], [2, 5]]


ARRAYS = {
    kind: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
    for kind, (dtype, _, _) in GOLDEN.items()
}


@given(data=st.data(), kind=st.sampled_from(sorted(ARRAYS)), mmap=st.booleans())
def test_arrays_come_back_as_they_were(tmp_path_factory, data, kind, mmap):
    items = data.draw(st.lists(ARRAYS[kind], max_size=8))
    names = write(tmp_path_factory.mktemp("indexed"), kind, items)
    for item, read in zip(items, IndexedDatasetReader(*names, mmap), strict=True):
        assert (item.dtype, item.shape) == (read.dtype, read.shape)
        assert item.tobytes() == read.tobytes()


@pytest.fixture
def archive(tmp_path):
    """Names and bytes of an archive of three items."""
    items = [np.arange(n, dtype=np.int32).reshape(1, n) for n in (2, 3, 1)]
    names = write(tmp_path, "int", items)
    return names, *contents(names)


def test_every_truncation_of_the_index_is_noticed(archive):
    names, index, data = archive
    for length in range(len(index)):
        put(names, index[:length], data)
        with pytest.raises(ValueError, match=r"x\.idx is (truncated|not an index)"):
            IndexedDatasetReader(*names)


@pytest.mark.parametrize("mmap", [True, False])
def test_every_truncation_of_the_data_is_noticed(archive, mmap):
    names, index, data = archive
    for length in range(len(data)):
        put(names, index, data[:length])
        message = rf"x\.bin has {length} bytes, but .*x\.idx speaks of 24.*recover"
        with pytest.raises(ValueError, match=message):
            IndexedDatasetReader(*names, mmap)


def test_surplus_is_noticed(archive):
    names, index, data = archive
    put(names, index + b"\0", data)
    with pytest.raises(
        ValueError, match=r"x\.idx is too long: .* 160 bytes, this .*161"
    ):
        IndexedDatasetReader(*names)
    put(names, index, data + b"\0")
    with pytest.raises(
        ValueError, match=r"25 bytes, .*died before close\(\); then Ind"
    ):
        IndexedDatasetReader(*names)


def test_the_index_of_another_archive_is_noticed(archive, tmp_path):
    names, _, _ = archive
    other = write(tmp_path, "int", [np.zeros(7, np.int32)], "other")
    for pair in ((other[0], names[1]), (names[0], other[1])):
        with pytest.raises(ValueError, match="the index of another|before close"):
            IndexedDatasetReader(*pair)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, 0x584449544E55, "not an index of Torchnet"),
        (8, 2, "has version 2, expected 1"),
        (16, 0, "type code 0, expected 1 to 8"),
        (16, 9, "type code 9, expected 1 to 8"),
        (16, 6, None),  # as long as an int: what is in the file cannot tell
        (16, 7, "elements of 4 bytes; Torchnet gives them 8. fairseq"),
        (24, 8, "elements of 8 bytes; Torchnet gives them 4. fairseq"),
        (32, -1, "says it has -1 items"),
        (40, -1, "and -1 sizes"),
        (32, 2, "too long"),
        (40, 7, "truncated"),
        (48, 1, "its shapes start at size 1"),
        (80, 1, "its elements at 1"),
        (72, 5, "5 of 6 sizes are in use"),
        (56, 4, "item 0 contradict"),
        (56, 7, "item 1 contradict"),
        (56, -1, "item 0 contradict"),
        (56, 2**63 - 1, "item 1 contradict"),
        (88, 3, "item 0 contradict"),
        (96, 0, "item 1 contradict"),
        (104, 7, "item 2 contradict"),
        (112, 2, "item 0 contradict"),
        (112, -1, "item 0 contradict"),
        (136, 2**62, "item 1 contradict"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 1 << 16])
def test_damage_is_noticed(archive, monkeypatch, at, value, message, block):
    monkeypatch.setattr(layout, "BLOCK", block)
    names, index, data = archive
    put(names, index[:at] + struct.pack("<q", value) + index[at + 8 :], data)
    if message is None:
        assert IndexedDatasetReader(*names).kind == "float"
        return
    with pytest.raises(ValueError, match=message):
        IndexedDatasetReader(*names)


@given(
    at=st.integers(0, 20),
    value=st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 9),
    more=st.integers(-24, 24),
)
def test_whatever_the_index_holds_it_is_refused_or_read(
    tmp_path_factory, at, value, more
):
    folder = tmp_path_factory.mktemp("indexed")
    names = write(folder, "int", [np.zeros((1, n), np.int32) for n in (2, 3, 1)])
    index, data = contents(names)
    changed = index[: 8 * at] + struct.pack("<q", value) + index[8 * at + 8 :]
    put(names, (changed + bytes(24))[: len(index) + more], data)
    try:
        reader = IndexedDatasetReader(*names)
    except ValueError:
        return
    assert sum(item.nbytes for item in reader) == len(data)


def test_two_negative_sizes_are_no_shape(archive):
    names, index, data = archive
    minus = struct.pack("<2q", -1, -2)
    put(names, index[:112] + minus + index[128:], data)
    with pytest.raises(ValueError, match="item 0 contradict"):
        IndexedDatasetReader(*names)


def test_products_of_sizes_do_not_wrap(tmp_path):
    names = names_in(tmp_path)
    sizes = struct.pack("<2q", 2**32, 2**32)  # of int64 the product is 0
    index = bytes.fromhex(HEAD + longs(1, 1, 1, 2, 0, 2, 0, 0)) + sizes
    put(names, index, b"")
    with pytest.raises(ValueError, match="item 0 contradict"):
        IndexedDatasetReader(*names)


def test_an_empty_index_of_megatron_is_told_apart(tmp_path):
    names = names_in(tmp_path)
    put(names, bytes.fromhex(HEAD + longs(1, 1, 0, 0) + longs(1, 0, 0, 0)), b"")
    with pytest.raises(ValueError, match="documents, as the indexes of Megatron"):
        IndexedDatasetReader(*names)


def test_eight_bytes_too_many_are_no_documents(archive):
    names, index, data = archive
    put(names, index + bytes(8), data)
    with pytest.raises(ValueError, match=r"x\.idx is too long"):
        IndexedDatasetReader(*names)


@pytest.mark.parametrize("documents", [0, 1, 4])
def test_indexes_of_megatron_are_told_apart(archive, documents):
    names, index, data = archive
    more = struct.pack(f"<{documents}q", *range(documents))
    put(names, index[:48] + struct.pack("<q", documents) + index[48:] + more, data)
    with pytest.raises(ValueError, match="documents, as the indexes of Megatron"):
        IndexedDatasetReader(*names)


def test_the_mapped_layout_of_megatron_is_told_apart(archive):
    names, index, data = archive
    put(names, b"MMIDIDX\0\0" + index, data)
    with pytest.raises(ValueError, match="fairseq's and Megatron's mapped layout"):
        IndexedDatasetReader(*names)


def test_uint16_of_fairseq_is_told_apart(archive):
    names, index, data = archive
    put(names, index[:16] + struct.pack("<2q", 8, 2) + index[32:], data)
    with pytest.raises(ValueError, match="code 8, 'table', elements of 2 bytes"):
        IndexedDatasetReader(*names)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file_is_named(archive, missing):
    names, _, _ = archive
    os.remove(names[missing])
    with pytest.raises(FileNotFoundError, match=r"x\.(idx|bin)"):
        IndexedDatasetReader(*names)


@pytest.mark.parametrize("block", [1, 2, 3, 1 << 16])
@pytest.mark.parametrize(
    ("shapes", "alike"),
    [
        ([(2, 3)] * 5, 5),
        ([(2, 3)] * 4 + [(3, 2)], 4),
        ([(2, 3)] * 3 + [(6,), (2, 3)], 3),
        ([(2,), (3,), (2,)], 1),
        ([()] * 4, 4),
        ([()] * 2 + [(0,)], 2),
        ([(0,)] * 2 + [()], 2),
        ([(0, 2), (0, 3)], 1),
    ],
)
def test_counts_how_many_items_are_alike(tmp_path, monkeypatch, shapes, alike, block):
    names = write(tmp_path, "byte", [np.zeros(shape, np.uint8) for shape in shapes])
    monkeypatch.setattr(layout, "BLOCK", block)
    assert IndexedDatasetReader(*names).uniform_length == alike
