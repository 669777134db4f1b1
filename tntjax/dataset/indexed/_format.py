"""The layout of an `.idx` file: reading, checking and writing one.

Little-endian, all int64: magic, version, code of the type, element size, number N of
items, number S of sizes; then `dims[N + 1]`, where the shape of each item starts in
`sizes`; `offsets[N + 1]`, where its elements start in the data; `sizes[S]`.
"""

import dataclasses
import math
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

KINDS = {
    "byte": np.dtype("u1"),
    "char": np.dtype("i1"),
    "short": np.dtype("<i2"),
    "int": np.dtype("<i4"),
    "long": np.dtype("<i8"),
    "float": np.dtype("<f4"),
    "double": np.dtype("<f8"),
    "table": np.dtype("i1"),
}
"""Torchnet's types, in the order of their codes, which start at 1."""

CODES = {kind: code for code, kind in enumerate(KINDS, start=1)}
HEADER = struct.Struct("<8s5q")
MAGIC, VERSION = b"TNTIDX\0\0", 1
INT64 = np.dtype("<i8")
MOST_ELEMENTS = 2**59
"""Most elements of an array, far below what a 64-bit machine can address."""

BLOCK = 1 << 16
"""How many items are checked at once, so that a long index takes little memory."""


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """Where the items of an archive lie.

    Item `i` has the sizes `dims[i]` to `dims[i + 1]` and the elements `offsets[i]` to
    `offsets[i + 1]`.
    """

    kind: str
    dims: Any  # [N + 1] int64
    offsets: Any  # [N + 1] int64
    sizes: Any  # [S] int64, the shapes one after another

    @property
    def num_bytes(self) -> int:
        """The length of the data."""
        return int(self.offsets[-1]) * KINDS[self.kind].itemsize

    @property
    def own_bytes(self) -> int:
        """The length of the file that the index is in."""
        return HEADER.size + 16 * len(self.dims) + 8 * len(self.sizes)

    def __len__(self) -> int:
        return len(self.dims) - 1

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yields the axes, elements and sizes of many items at once."""
        for start in range(0, len(self), BLOCK):
            dims = self.dims[start : start + BLOCK + 1]
            offsets = self.offsets[start : start + BLOCK + 1]
            yield np.diff(dims), np.diff(offsets), self.sizes[dims[0] : dims[-1]]


def parse_index(buffer: Any, name: str) -> Index:
    """Makes an index of the bytes of its file, without a copy, and checks it.

    Raises:
      ValueError: if it is something else, not whole, or contradicts itself.
    """
    kind, count, num_sizes = _parse_header(buffer, name)
    expected = HEADER.size + 16 * (count + 1) + 8 * num_sizes
    if len(buffer) != expected:
        if _has_documents(buffer, count, num_sizes):
            raise ValueError(
                f"{name} has a list of documents, as the indexes of Megatron do."
                " IndexedDataset reads Torchnet's own layout, which has none."
            )
        wrong = "truncated" if len(buffer) < expected else "too long"
        raise ValueError(
            f"{name} is {wrong}: an index of {count} items and {num_sizes} sizes has"
            f" {expected} bytes, this one {len(buffer)}. Copy it again."
        )
    numbers = np.frombuffer(buffer, INT64, offset=HEADER.size)
    dims, offsets, sizes = np.split(numbers, [count + 1, 2 * (count + 1)])
    index = Index(kind, dims, offsets, sizes)
    _check_entries(index, name)
    return index


def parse_leading_items(buffer: Any, name: str) -> Index:
    """Makes an index of what is whole of one that was cut, or has grown too long.

    Raises:
      ValueError: as `parse_index`, or if it was cut before the shapes.
    """
    kind, count, num_sizes = _parse_header(buffer, name)
    words = np.frombuffer(buffer[: len(buffer) // 8 * 8], INT64, offset=HEADER.size)
    dims, offsets, sizes = np.split(words, [count + 1, 2 * (count + 1)])
    if len(offsets) <= count or _has_documents(buffer, count, num_sizes):
        return parse_index(buffer, name)  # which says what is wrong
    whole = int(np.searchsorted(dims, len(sizes), "right")) - 1
    ends = slice(max(whole, 0) + 1)
    dims = dims[ends]
    index = Index(kind, dims, offsets[ends], sizes[: dims[-1]])
    _check_entries(index, name)
    return index


def check_length(index: Index, length: int, index_name: str, data_name: str) -> None:
    """Raises a ValueError unless the data is as long as the index says."""
    if length == index.num_bytes:
        return
    advice = f"IndexedDatasetWriter.recover({index_name!r}, {data_name!r})"
    if length < index.num_bytes:
        cause = f"It is truncated, or the index of another archive; {advice} saves"
    else:
        cause = f"A writer is still open, or died before close(); then {advice} saves"
    raise ValueError(
        f"{data_name} has {length} bytes, but {index_name} speaks of"
        f" {index.num_bytes}. {cause} the items that are whole."
    )


def write_index(index: Index, name: str) -> None:
    """Writes an index whole or not at all: a file, also behind a link, is replaced."""
    name = os.path.realpath(name)
    temporary = f"{name}.tmp"
    head = CODES[index.kind], KINDS[index.kind].itemsize, len(index), len(index.sizes)
    with open(temporary, "wb") as file:
        file.write(HEADER.pack(MAGIC, VERSION, *head))
        for numbers in (index.dims, index.offsets, index.sizes):
            file.write(np.asarray(numbers, INT64).data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, name)


def find_common_axes(index: Index) -> int | None:
    """Returns how many axes all items have, or None if they differ or are missing."""
    first = int(index.dims[1]) if len(index) else None
    return first if all((axes == first).all() for axes, *_ in index.blocks()) else None


def count_alike(index: Index) -> int:
    """Counts the leading items that have the shape of the first."""
    count = 0
    for axes, elements, sizes in index.blocks():
        if not count:
            first, size, shape = axes[0], elements[0], sizes[: axes[0]]
        other = (axes != first) | (elements != size)
        alike = int(other.argmax()) if other.any() else len(axes)
        if first:
            rows = sizes[: alike * first].reshape(alike, first)
            other = (rows != shape).any(1)
            alike = int(other.argmax()) if other.any() else alike
        count += alike
        if alike < len(axes):
            break
    return count


def find_shape(index: Index, item: int) -> tuple[int, ...]:
    """Finds the shape of one item; Torch's empty tensor has shape [0]."""
    first, last = index.dims[item : item + 2]
    if first != last:
        return tuple(index.sizes[first:last].tolist())
    return () if index.offsets[item] != index.offsets[item + 1] else (0,)


def is_too_long(shape: Sequence[int]) -> bool:
    """True for a shape that no index has: NumPy bounds the axes of empty arrays too."""
    return math.prod(max(size, 1) for size in shape) > MOST_ELEMENTS


def _parse_header(buffer: Any, name: str) -> tuple[str, int, int]:
    """Returns the type, N and S."""
    if len(buffer) < HEADER.size or buffer[:8] != MAGIC:
        if buffer[:8] == b"MMIDIDX\0":
            raise ValueError(
                f"{name} is an index of fairseq's and Megatron's mapped layout, not of"
                " Torchnet's."
            )
        raise ValueError(f"{name} is not an index of Torchnet: it starts otherwise.")
    _, version, code, size, count, num_sizes = HEADER.unpack_from(buffer)
    if version != VERSION:
        raise ValueError(f"{name} has version {version}, expected {VERSION}.")
    if not 1 <= code <= len(KINDS):
        raise ValueError(f"{name} has type code {code}, expected 1 to {len(KINDS)}.")
    kind = list(KINDS)[code - 1]
    if size != KINDS[kind].itemsize:
        raise ValueError(
            f"{name} gives type code {code}, {kind!r}, elements of {size} bytes;"
            f" Torchnet gives them {KINDS[kind].itemsize}. fairseq uses the same"
            " magic number with other codes: read it with fairseq."
        )
    if count < 0 or num_sizes < 0:
        raise ValueError(f"{name} says it has {count} items and {num_sizes} sizes.")
    return kind, count, num_sizes


def _has_documents(buffer: Any, count: int, num_sizes: int) -> bool:
    """True for the indexes of Megatron, which store a list of documents."""
    words = (len(buffer) - HEADER.size) // 8
    if words <= count + 1:
        return False
    (documents,) = struct.unpack_from("<q", buffer, HEADER.size)
    (last,) = struct.unpack_from("<q", buffer, HEADER.size + 8 * (count + 1))  # of dims
    expected = 1 + 2 * (count + 1) + num_sizes + documents
    return documents >= 0 and last == num_sizes and words == expected


def _check_entries(index: Index, name: str) -> None:
    start = 0
    ends = [int(index.dims[0]), int(index.offsets[0]), int(index.dims[-1])]
    if ends != [0, 0, len(index.sizes)]:
        raise ValueError(
            f"{name} is damaged: its shapes start at size {ends[0]}, its elements at"
            f" {ends[1]}, and {ends[2]} of {len(index.sizes)} sizes are in use."
        )
    for numbers in (index.dims, index.offsets):  # slices below rely on it
        falls = numbers[1:] < numbers[:-1]
        if falls.any():
            raise _damaged(name, int(falls.argmax()))
    for axes, elements, sizes in index.blocks():
        wrong = _find_wrong_items(axes, elements, sizes)
        if wrong.any():
            raise _damaged(name, start + int(wrong.argmax()))
        start += len(axes)


def _find_wrong_items(
    axes: np.ndarray, elements: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Finds the items whose elements are not as many as their shape says."""
    expected = np.ones(len(axes))  # float64, as a product of int64 may wrap to anything
    shaped = axes > 0
    starts = np.cumsum(axes) - axes
    if shaped.any():
        expected[shaped] = np.multiply.reduceat(sizes.astype(float), starts[shaped])
        bad = np.minimum.reduceat(sizes, starts[shaped]) < 0
        # NumPy bounds the other axes of an array without elements, too.
        others = np.maximum(sizes, 1).astype(float)
        bad |= np.multiply.reduceat(others, starts[shaped]) > MOST_ELEMENTS
        expected[shaped] = np.where(bad, -1.0, expected[shaped])
    nothing = ~shaped & (elements == 0)  # Torch's empty tensor has no axes
    return (elements != expected) & ~nothing


def _damaged(name: str, item: int) -> ValueError:
    return ValueError(
        f"{name} is damaged: the shape and the place of item {item} contradict each"
        " other. Copy it again."
    )


def name_journal(index_filename: str) -> str:
    """Names the journal beside an index, by whatever link that is reached."""
    whole = os.path.realpath(index_filename) if os.path.islink(index_filename) else None
    return f"{whole or index_filename}.part"
