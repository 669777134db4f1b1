"""Sends what workers start with, and their samples back: arrays in shared memory."""

import io
import mmap
import os
import pickle
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from multiprocessing import reduction
from types import FunctionType
from typing import Any

import numpy as np

from tntjax._array import ALIGNMENT
from tntjax._struct import describe


def check_sendable(name: str, value: Any) -> None:
    """Raises a TypeError if a process could not be sent a value."""
    try:
        _Trial().dump(value)
    except Exception as error:
        raise TypeError(
            f"ParallelDatasetIterator(backend='process') sends {name} to its workers,"
            f" but {describe(value)} cannot be pickled: {error}. Use functions of a"
            " module, with functools.partial for their arguments, or backend='thread'."
        ) from error


def pack_content(content: Any) -> bytes:
    """Pickles what workers start with, but no part of a file that is mapped."""
    stream = io.BytesIO()
    _Sender(stream, protocol=5).dump(content)
    return stream.getvalue()


class _Sender(pickle.Pickler):
    """Sends of an array in a file where it lies."""

    def reducer_override(self, obj: Any) -> Any:
        return _reduce_map(obj) if isinstance(obj, np.ndarray) else NotImplemented


class _Trial(_Sender):
    """Pickles without copying arrays, and refuses what a worker could not have."""

    def __init__(self) -> None:
        # False: a buffer is left out, so no array is copied for the trial.
        super().__init__(_Nowhere(), protocol=5, buffer_callback=lambda _: False)

    def reducer_override(self, obj: Any) -> Any:
        if is_jax_array(obj):
            raise TypeError(
                f"it holds a JAX array, {describe(obj)}, and workers start no JAX."
                " jax.device_get(dataset) has NumPy arrays"
            )
        is_of_main = isinstance(obj, type | FunctionType) and (
            obj.__module__ == "__main__"
        )
        if is_of_main and not main_has_a_file():
            raise TypeError(
                f"{describe(obj)} belongs to a session or command that lies in no file"
            )
        return super().reducer_override(obj)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def main_has_a_file() -> bool:
    """True if a worker can import the main program, unlike a session."""
    main = sys.modules["__main__"]
    return main.__spec__ is not None or os.path.exists(getattr(main, "__file__", ""))


def _reduce_map(array: np.ndarray) -> Any:
    """Returns a call that maps the same part of the same file, or NotImplemented."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or not isinstance(whole.base, mmap.mmap):
        return NotImplemented
    # What was written to a copy-on-write map, "c", is in no file.
    mode, name = whole.mode, whole.filename
    if mode == "c" or name is None or not os.path.exists(name) or not array.size:
        return NotImplemented
    # In bytes: the array may be a part of what is mapped.
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    # Never "w+", which would empty the file.
    place = str(name), "r" if mode == "r" else "r+", whole.offset, whole.nbytes
    layout = type(array) is np.memmap, array.shape, array.dtype, start, array.strides
    return _map_again, (place, layout)


def _map_again(
    place: tuple[str, Any, int, int], layout: tuple[bool, tuple, np.dtype, int, tuple]
) -> np.ndarray:
    """Maps a part of a file, and sees it as an array."""
    name, mode, offset, size = place
    is_map, shape, dtype, start, strides = layout
    memory = np.memmap(name, np.uint8, mode, offset, (size,))
    kind = np.memmap if is_map else np.ndarray
    return np.ndarray.__new__(kind, shape, dtype, memory, start, strides)


SMALL = 4096
"""Bytes below which an array travels with the rest, through the pipe."""


class Block:
    """Memory that two processes see, and that has no name.

    It is gone with the last process that holds it, whatever ended that process, and is
    not limited by the size of `/dev/shm`, which containers keep small.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None  # made when there is something to hold
        self._lent: Callable[[], Any] = lambda: None  # a weak reference once it is

    @classmethod
    def create(cls) -> "Block":
        """Makes an empty block."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("tntjax"))
        with tempfile.TemporaryFile() as file:  # has no name either
            return cls(os.dup(file.fileno()))

    def memory(self, size: int) -> memoryview:
        """Returns a view of its first bytes; release it before the next call."""
        # Either process may have made it longer since this one mapped it.
        if self._map is None or len(self._map) < size:
            if os.fstat(self._descriptor).st_size < size:
                # A quarter more, or samples that grow a little would map it each time.
                page = mmap.ALLOCATIONGRANULARITY
                os.ftruncate(self._descriptor, -(-size * 5 // (4 * page)) * page)
            self._map = mmap.mmap(self._descriptor, 0)
        return memoryview(self._map)[:size]

    def lend(self, size: int) -> memoryview:
        """Returns its first bytes; it is lent while something sees them."""
        # Views of views all hold the array at the root, and nothing else does.
        root = np.frombuffer(self.memory(size), np.uint8)
        self._lent = weakref.ref(root)
        return root.data

    @property
    def is_lent(self) -> bool:
        """True if something sees what was lent, and nobody else should write there."""
        return self._lent() is not None

    def close(self) -> None:
        """Gives the memory back, as far as this process is concerned."""
        self._map = None  # unmapped with the last view
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __reduce__(self) -> tuple:
        return _receive_block, (reduction.DupFd(self._descriptor),)


def _receive_block(descriptor: Any) -> Block:
    return Block(descriptor.detach())


class _SamplePickler(pickle.Pickler):
    """Hands out the memory of arrays instead of copying it into the stream."""

    def reducer_override(self, obj: Any) -> Any:
        if is_jax_array(obj):  # its consumer puts it where it belongs
            return np.array(obj).__reduce_ex__(5)
        if type(obj) not in (np.ndarray, np.memmap):
            return NotImplemented
        # What is read-only would arrive so; what has gaps, or is a map of a file, would
        # travel within the pickle.
        array, flags = np.asarray(obj), obj.flags
        if flags.writeable and (flags.c_contiguous or flags.f_contiguous):
            return NotImplemented if array is obj else array.__reduce_ex__(5)
        return array.copy("K" if flags.forc else "C").__reduce_ex__(5)


def is_jax_array(value: Any) -> bool:
    """True if a value is a JAX array; JAX is not imported for the question."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.Array)


def pack(sample: Any, block: Block | None) -> tuple[bytes, list[int]]:
    """Pickles a sample, its arrays of `SMALL` bytes and more into a block, if any.

    Returns the pickle and the sizes of what is in the block.
    """
    large: list[memoryview] = []

    def leave_out(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < SMALL:
            return True  # stays within the pickle
        large.append(raw)
        return False

    stream = io.BytesIO()
    callback = None if block is None else leave_out
    _SamplePickler(stream, protocol=5, buffer_callback=callback).dump(sample)
    sizes = [raw.nbytes for raw in large]
    if block is not None and large:
        places, total = _lay_out(sizes)
        with block.memory(total) as memory:
            for place, raw in zip(places, large, strict=True):
                memory[place : place + raw.nbytes] = raw
    return stream.getvalue(), sizes


def unpack(
    pickled: bytes, sizes: Sequence[int], block: Block | None, lend: bool = False
) -> Any:
    """Undoes `pack`; arrays that are not lent are copied out of the block."""
    if block is None or not sizes:
        return pickle.loads(pickled)
    places, total = _lay_out(sizes)
    memory = block.lend(total) if lend else block.memory(total)
    parts = [
        memory[place : place + size] for place, size in zip(places, sizes, strict=True)
    ]
    # Not bytes, or arrays could not be written to.
    return pickle.loads(pickled, buffers=parts if lend else map(bytearray, parts))


def _lay_out(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Finds where each of several arrays starts, and the length of all."""
    places, end = [], 0
    for size in sizes:
        places.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return places, end
