"""read_idx: what it reads, and what it says of what it cannot read."""

import functools
import gzip

import numpy as np
import pytest

import tntjax as tnt
from tntjax.vision import read_idx

packed = functools.partial(gzip.compress, mtime=0)  # tests are named by its bytes
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1])


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("code", "dtype", "data"),
    [
        (0x08, "uint8", b"\x01\xff"),
        (0x09, "int8", b"\x01\xff"),
        (0x0B, "int16", b"\x00\x01\xff\xff"),
        (0x0C, "int32", b"\0\0\0\x01\xff\xff\xff\xff"),
        (0x0D, "float32", b"\x3f\x80\0\0\xbf\x80\0\0"),
        (0x0E, "float64", b"\x3f\xf0" + b"\0" * 6 + b"\xbf\xf0" + b"\0" * 6),
    ],
)
def test_reads_each_type_in_the_byte_order_of_the_machine(tmp_path, code, dtype, data):
    path = written(tmp_path / "file", bytes([0, 0, code, 1, 0, 0, 0, 2]) + data)
    array = read_idx(path)
    assert array.dtype == dtype and array.dtype.isnative
    assert array.tolist() == ([1, 255] if dtype == "uint8" else [1, -1])


def test_sizes_come_slowest_first(tmp_path):
    header = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    path = written(tmp_path / "file", header + bytes(range(6)))
    assert read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("name", ["labels.gz", "labels"])
def test_content_and_not_the_name_tells_gzip(tmp_path, name):
    path = written(tmp_path / name, packed(LABELS))
    assert read_idx(str(path)).tolist() == [7, 2, 1]


def test_plain_content_under_a_gz_name(tmp_path):
    assert read_idx(written(tmp_path / "file.gz", LABELS)).tolist() == [7, 2, 1]


@pytest.mark.parametrize("code", [0x08, 0x0B])
def test_arrays_are_read_only(tmp_path, code):
    path = written(
        tmp_path / "file", bytes([0, 0, code, 1, 0, 0, 0, 1, 0, 5][: 9 + (code > 9)])
    )
    with pytest.raises(ValueError, match="read-only"):
        read_idx(path)[0] = 1


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty"),
        (b"\0\0\x08", "is no IDX file"),
        (b"<!DOCTYPE html>", "it begins with b'<!DOCTYP'"),
        (b"\0\0\x07\x01\0\0\0\x01\x05", "is no IDX file"),
        (LABELS[:7], "is truncated: its header of rank 1 has 8 bytes, the file 7"),
        (LABELS[:-1], r"is truncated: its header promises \[3\] numbers in 11 bytes"),
        (LABELS + b"\0", "is too long: .* the file has 12"),
        (packed(LABELS)[:-9], "is a truncated or damaged gzip file"),
        (packed(LABELS) + b"junk", "is a truncated or damaged gzip file"),
        (packed(LABELS)[:-8] + b"12345678", "is a truncated or damaged gzip"),
        (packed(LABELS)[:10] + b"\xff" * 9, "is a truncated or damaged gzip"),
        (packed(b""), "is empty"),
        (packed(LABELS[:-1]), "is truncated: its header promises"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, content, wrong):
    path = written(tmp_path / "bad-file", content)
    with pytest.raises(
        ValueError, match=f"bad-file {wrong}".replace("bad-file it", "it")
    ):
        read_idx(path)


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def test_is_the_array_that_numpy_would_write(tmp_path):
    wanted = np.arange(24, dtype=">f4").reshape(2, 3, 4)
    sizes = np.array(wanted.shape, ">u4").tobytes()
    path = written(tmp_path / "file", b"\0\0\x0d\x03" + sizes + wanted.tobytes())
    np.testing.assert_array_equal(read_idx(path), wanted)


def test_a_path_is_no_number_of_an_open_file():
    with pytest.raises(TypeError, match="read_idx: path must be a path, got 1"):
        read_idx(1)
    with pytest.raises(TypeError, match="load_list: path must be a path, got 0"):
        tnt.utils.load_list(0)
