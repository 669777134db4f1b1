"""Reading Torch's stream of objects: what is data becomes Python's, code is refused."""

import math
import re
import struct
from typing import Any

import numpy as np

from tntjax.dataset.indexed._torch_write import (
    BOOLEAN,
    FUNCTIONS,
    MOST_DEEP,
    MOST_EXACT,
    NIL,
    NUMBER,
    STRING,
    TABLE,
    TENSORS,
    TORCH,
    is_read_as_list,
)

_UNFINISHED = object()
_FREE_BYTES = 2**26
_MOST_TIMES = 64
"""What arrays may hold, were each a copy: so many bytes, and so often the data's."""

_CLASSES = {
    f"torch.{name}{kind}": (kind, dtype)
    for name, dtype in TENSORS.items()
    for kind in ("Tensor", "Storage")
}


class Allowance:
    """Counts what arrays that were read together would hold, were each a copy.

    So many items of few bytes, whose tensors repeat a number, can't take any memory.
    """

    def __init__(self) -> None:
        self.most, self.held = _FREE_BYTES, 0

    def hold(self, value: Any) -> None:
        """Counts a value that is put somewhere, if it is an array."""
        if isinstance(value, np.ndarray):
            self.check(value.nbytes)
            self.held += value.nbytes

    def check(self, count: int) -> None:
        """Raises a ValueError if so many bytes more would be too many."""
        if self.held + count > self.most:
            raise ValueError(
                "Tensors that share or repeat storages would be more than"
                f" {self.most} bytes if copied, far more than their data. Store fewer"
                " of them, or what they were made of."
            )


def decode(data: Any, allowance: Allowance | None = None) -> Any:
    """Reads a value that `encode` or Torch's `torch.serialize` has written.

    `allowance` is of what is read together, None for this value alone.

    Returns:
      None, bool, float, str, list, dict or array. A table with keys 1 to n, or none,
      is a list, unless `encode` wrote it of a dict. A string not in UTF-8 is bytes.
      A number is a float, but an int as a key if it is whole. What was one object is
      one again. A tensor is a view of its storage, as in Torch: those that share it
      change together, and one that has an element twice, as by `expand`, is read-only.

    Raises:
      ValueError: if there is a function, which would be code, or an object of an
        unknown class, or the bytes are not whole, or tables are nested more than 100
        times, or copies of the tensors would take far more memory than the data.
    """
    stream = _Stream(memoryview(data).cast("B"), allowance or Allowance())
    value = stream.read(0)
    stream.allowance.hold(value)
    rest = stream.data[stream.at :]
    if rest not in (b"", b"\0"):  # older Torch left the NUL at the end of its buffer
        raise ValueError(f"Torch's object ends {len(rest)} bytes before its data does.")
    return value


class _Stream:
    def __init__(self, data: memoryview, allowance: Allowance) -> None:
        self.data, self.allowance = data, allowance
        allowance.most += _MOST_TIMES * len(data)
        self.at = 0
        self.objects: dict[int, Any] = {}
        self.heights: dict[int, int] = {}  # of the tables in objects, by id

    def read(self, depth: int) -> Any:
        tag = self.integer()
        if tag == NIL:
            return None
        if tag == NUMBER:
            return self.unpack("<d")[0]
        if tag == STRING:
            return self.string()
        if tag == BOOLEAN:
            return self.integer() == 1
        if tag in FUNCTIONS:
            raise ValueError(
                f"A Lua function is stored here (tag {tag}). It is code, which is never"
                " loaded: store tables of numbers, strings, booleans and tensors."
            )
        if tag not in (TABLE, TORCH):
            raise ValueError(f"Torch has no type with tag {tag}: this is other data.")
        return self.read_reference(tag, depth)

    def read_reference(self, tag: int, depth: int) -> Any:
        """Reads an object that may be met again."""
        index = self.integer()
        if index not in self.objects:
            if depth >= MOST_DEEP + 2 * (tag == TORCH):  # a tensor and its storage
                raise _too_deep()
            self.objects[index] = _UNFINISHED
            read = self.table if tag == TABLE else self.torch_object
            self.objects[index] = read(index, depth + 1)
        value = self.objects[index]
        if value is _UNFINISHED:
            raise ValueError("A table contains itself, which no sample may.")
        return value

    def table(self, index: int, depth: int) -> Any:
        table = {}
        for _ in range(self.read_length("i", 8)):
            key = _key(self.read(depth))
            if key in table:
                raise ValueError(f"Two keys of a table are {key!r} in Python.")
            table[key] = self.read(depth)
            self.allowance.hold(table[key])
        below = (self.heights.get(id(item), 0) for item in table.values())
        height = 1 + max(below, default=0)
        if depth - 1 + height > MOST_DEEP:  # a reference may be to a deep table
            raise _too_deep()
        value: Any = table
        if index >= 0 and is_read_as_list(table):
            value = [table[key] for key in range(1, len(table) + 1)]
        self.heights[id(value)] = height
        return value

    def torch_object(self, index: int, depth: int) -> np.ndarray:
        name = self.string()
        if re.fullmatch(r"V \d+", str(name)):
            name = self.string()
        if name not in _CLASSES:
            raise ValueError(
                f"An object of class {name!r} is stored here; read are tensors and"
                f" storages of {', '.join(TENSORS)}."
            )
        kind, dtype = _CLASSES[name]
        if kind == "Tensor":
            return self.tensor(dtype, depth)
        count = self.read_length("q", dtype.itemsize)
        return np.frombuffer(self.take(count * dtype.itemsize), dtype).copy()

    def tensor(self, dtype: np.dtype, depth: int) -> np.ndarray:
        axes = self.read_length("i", 16)
        *numbers, offset = self.unpack(f"<{2 * axes + 1}q")
        shape, strides = numbers[:axes], numbers[axes:]
        storage = self.read(depth)
        if min(numbers, default=0) < 0 or axes > 64:
            raise ValueError(f"A tensor has shape {shape} and strides {strides}.")
        if not axes or 0 in shape:
            return np.empty(shape or 0, dtype)
        kept = isinstance(storage, np.ndarray) and storage.dtype == dtype
        # Tensors are views, or empty, and so none passes for a storage.
        size = storage.size if kept and storage.base is None else 0
        last = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if offset < 1 or offset + last > size:
            raise ValueError(
                f"A tensor of shape {shape} and strides {strides} from {offset} does"
                f" not fit its storage of {size} {dtype.name}."
            )
        self.allowance.check(math.prod(shape) * dtype.itemsize)
        pairs = zip(shape, strides, strict=True)
        steps = [dtype.itemsize * (step if n > 1 else 1) for n, step in pairs]
        part = np.ndarray(shape, dtype, storage, (offset - 1) * dtype.itemsize, steps)
        part.flags.writeable = not _has_repeats(shape, strides)
        return part

    def string(self) -> str | bytes:
        data = bytes(self.take(self.read_length("i", 1)))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data

    def integer(self) -> int:
        return self.unpack("<i")[0]

    def read_length(self, code: str, least: int) -> int:
        """Reads a count of things that take at least so many bytes each."""
        (count,) = self.unpack(f"<{code}")
        if count < 0 or count * least > len(self.data) - self.at:
            raise ValueError(f"Torch's object is cut off: {count} things are to come.")
        return count

    def unpack(self, form: str) -> tuple:
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def take(self, count: int) -> memoryview:
        part = self.data[self.at : self.at + count]
        if len(part) < count:
            raise ValueError("Torch's object is cut off.")
        self.at += count
        return part


def _too_deep() -> ValueError:
    return ValueError(f"Tables are nested more than {MOST_DEEP} times.")


def _has_repeats(shape: list[int], strides: list[int]) -> bool:
    """True if an element may be at two places: a step leads no further than others."""
    reach = 0
    for step, n in sorted(zip(strides, shape, strict=True)):
        if n > 1 and step <= reach:
            return True
        reach += step * (n - 1)
    return False


def _key(key: Any) -> Any:
    if isinstance(key, float) and key.is_integer() and abs(key) <= MOST_EXACT:
        return int(key)
    if not isinstance(key, str | bytes | bool | float) or key != key:
        raise ValueError(
            f"A table has a key of {type(key).__name__}, not a string or a number."
        )
    return key
