"""Sends `closure` and `init` to workers: by pickle, but for maps of files."""

import io
import mmap
import os
import pickle
import sys
from types import FunctionType
from typing import Any

import numpy as np

from tntjax._struct import describe
from tntjax.iterator.workers._shared_memory import is_jax_array


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
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
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
