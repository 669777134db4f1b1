"""Python values as Torch writes them: a stream of tagged objects that is only data."""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from tntjax._array import check_unmasked
from tntjax._struct import describe

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)
MOST_EXACT = 2**53
"""Beyond it not every integer is a float64."""

MOST_DEEP = 100
"""How deep tables may lie in each other."""

TENSORS = {
    "Byte": np.dtype("u1"),
    "Char": np.dtype("i1"),
    "Short": np.dtype("<i2"),
    "Int": np.dtype("<i4"),
    "Long": np.dtype("<i8"),
    "Float": np.dtype("<f4"),
    "Double": np.dtype("<f8"),
}
"""`torch.XTensor` and `torch.XStorage` for each X."""

_NAMES = {dtype: name for name, dtype in TENSORS.items()}


def encode(value: Any) -> bytes:
    """Writes a value as Torch's `torch.serialize` would.

    A list or tuple becomes a table with keys 1 to n. A dict that would be read as a
    list, as it is empty or has just these keys, gets an index below 0, which Torch
    reads like any other. What is one object is written once and read as one, but for
    tuples that hold no lists, tuples or dicts.

    Raises:
      TypeError: if it holds something else than None, bools, numbers, strings, arrays,
        and dicts and lists of them.
      ValueError: if an integer is not a float64, or something contains itself, or
        lies more than 100 deep.

    Example:
      >>> encode({"x": True}).hex(" ", -4)
      '03000000 01000000 01000000 02000000 01000000 78050000 00010000 00'
    """
    writer = _Writer()
    writer.write(value, 0)
    return bytes(writer.out)


def is_read_as_list(keys: Any) -> bool:
    """True if the keys of a table are 1 to n, or missing."""
    known = all(type(key) is int for key in keys)
    return known and set(keys) == set(range(1, len(keys) + 1))


class _Writer:
    def __init__(self) -> None:
        self.out = bytearray()
        self.count = 0  # of tables, tensors and storages
        self.indices: dict[int, int] = {}  # of what was written whole, by id
        self.heights: dict[int, int] = {}  # of tables among them
        self.kept: list[Any] = []  # while it lives nothing else gets its id
        self.open: set[int] = set()

    def write(self, value: Any, depth: int) -> None:
        if value is None:
            self.integers(NIL)
        elif isinstance(value, bool | np.bool_):
            self.integers(BOOLEAN, int(value))
        elif isinstance(value, int | float | np.integer | np.floating):
            self.number(value)
        elif isinstance(value, str):
            self.integers(STRING)
            self.string(value)
        elif isinstance(value, Mapping | list | tuple):
            self.table(value, depth)
        elif hasattr(value, "__array__"):
            self.array(value)
        else:
            raise TypeError(_unknown(value))

    def integers(self, *numbers: Any) -> None:
        self.out += struct.pack(f"<{len(numbers)}i", *numbers)

    def number(self, value: Any) -> None:
        if isinstance(value, np.timedelta64):  # to NumPy an integer
            raise TypeError(_unknown(value))
        if isinstance(value, int | np.integer) and abs(int(value)) > MOST_EXACT:
            raise ValueError(
                f"Torch's numbers are float64, which {value} is not exactly. Store it"
                " as a string, or in an array of int64."
            )
        self.integers(NUMBER)
        self.out += struct.pack("<d", value)

    def string(self, value: str) -> None:
        data = value.encode()
        self.integers(len(data))
        self.out += data

    def write_reference(self, value: Any, tag: int) -> bool:
        """Writes a reference if the object was written before."""
        self.integers(tag)
        index = self.indices.get(id(value))
        if index is not None:
            self.integers(index)
        return index is not None

    def table(self, value: Any, depth: int) -> None:
        if id(value) in self.open:
            raise _nested(value, "contains itself")
        if depth >= MOST_DEEP:
            raise _nested(value, "is too deep")
        if self.write_reference(value, TABLE):
            return
        self.open.add(id(value))
        self.count += 1
        index = self.count
        if isinstance(value, Mapping):
            entries = {_convert_key(key): item for key, item in value.items()}
            index = -index if is_read_as_list(entries) else index
        else:
            entries = dict(enumerate(value, start=1))
        self.integers(index, len(entries))
        for key, item in entries.items():
            self.write(key, depth + 1)
            self.write(item, depth + 1)
        self.open.remove(id(value))
        height = 1 + max(map(self.find_height, entries.values()), default=0)
        if depth + height > MOST_DEEP:  # a reference may be to a deep table
            raise _nested(value, "is too deep")
        # Of equal tuples Python may make one, of empty ones it does, and lists that
        # are read should not change together. But tuples of tuples would grow 2**n.
        if height > 1 or not isinstance(value, tuple):
            self.remember(value, index)
            self.heights[id(value)] = height

    def find_height(self, value: Any) -> int:
        """Finds how many tables are in each other in a value that is written."""
        return self.heights.get(id(value), int(isinstance(value, tuple)))

    def remember(self, value: Any, index: int) -> None:
        self.indices[id(value)] = index
        self.kept.append(value)

    def array(self, value: Any) -> None:
        check_unmasked(value, "A value of the table")
        array = np.asarray(value)
        if not array.shape:  # Torch has no tensor without axes
            if not isinstance(array[()], np.bool_ | np.integer | np.floating):
                raise TypeError(_unknown(array))
            self.write(array[()], 0)
            return
        if array.dtype.hasobject:  # text has no order of bytes
            raise TypeError(_unknown(value))
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _NAMES:
            raise TypeError(_unknown(value))
        if self.write_reference(value, TORCH):
            return
        shape = array.shape if array.shape != (0,) else ()
        strides = [step // dtype.itemsize for step in np.empty(shape, dtype).strides]
        self.count += 1
        self.remember(value, self.count)
        self.write_class(f"{_NAMES[dtype]}Tensor", self.count)
        self.integers(len(shape))
        longs = [*shape, *strides, 1]
        self.out += struct.pack(f"<{len(longs)}q", *longs)
        if not array.size:
            self.integers(NIL)
            return
        self.count += 1
        self.integers(TORCH)
        self.write_class(f"{_NAMES[dtype]}Storage", self.count)
        self.out += struct.pack("<q", array.size)
        self.out += array.astype(dtype, copy=False).tobytes()

    def write_class(self, name: str, count: int) -> None:
        self.integers(count)
        self.string("V 1")
        self.string(f"torch.{name}")


def _convert_key(key: Any) -> Any:
    """Converts a key to how it will be read."""
    if isinstance(key, np.generic) and not isinstance(key, np.timedelta64):
        key = key.item()
    if isinstance(key, float) and key.is_integer() and abs(key) <= MOST_EXACT:
        return int(key)
    if not isinstance(key, str | bool | int | float) or key != key:
        raise TypeError(
            f"Keys of a table must be strings, numbers or bools, got {describe(key)}."
        )
    return key


def _nested(value: Any, what: str) -> ValueError:
    return ValueError(
        f"A {type(value).__name__} {what}: tables may be nested {MOST_DEEP} times."
    )


def _unknown(value: Any) -> str:
    way_out = " Store text as str, and binary data as np.frombuffer(data, np.uint8)."
    way_out *= isinstance(value, bytes | bytearray | memoryview)
    return (
        "A table holds None, bools, numbers, strings, dicts, lists and arrays of"
        f" {', '.join(dtype.name for dtype in TENSORS.values())}; got"
        f" {type(value).__name__}, {describe(value)[:80]}.{way_out}"
    )
