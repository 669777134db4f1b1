"""Unpickles dicts of arrays, and nothing that could run code."""

import io
import pickle
from typing import Any

import numpy as np


def unpickle_arrays(content: bytes, where: str) -> Any:
    """Reads a pickle of plain values and arrays of numbers, from Python 2 or 3.

    A pickle names functions to call, which may be any; only those that make arrays are
    there. Strings of Python 2 become bytes. `where` names the pickle in a ValueError.
    """
    try:
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except _RefusedError as error:
        text = f"{where} wants to call {error}, which no pickle of arrays needs."
        raise ValueError(text) from None
    except Exception as error:  # whatever the bytes of a damaged one mean
        raise ValueError(f"{where} is damaged or no pickle: {error!r}") from error


class _RefusedError(Exception):
    pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        package = module.replace("numpy._core", "numpy.core")  # its name since NumPy 2
        if (package, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[package, name]


def _make_dtype(code: Any, *_: Any) -> np.dtype:
    dtype = np.dtype(code, copy=True)  # the pickle sets its order of bytes
    if dtype.kind not in "biufS":
        raise ValueError(f"an array of {dtype}")
    return dtype


def _from_buffer(buffer: Any, dtype: np.dtype, shape: Any, order: Any) -> np.ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    """Makes bytes, which Python 3 writes as text where it writes for Python 2."""
    if encoding != "latin1":
        raise ValueError(f"bytes as {encoding}")
    return text.encode("latin1")


_ALLOWED = {
    # An empty array, whose state the pickle sets.
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: np.zeros(0, np.int8),
    ("numpy", "ndarray"): "ndarray",  # named, and never called
    ("numpy", "dtype"): _make_dtype,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}
