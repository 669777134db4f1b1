"""Unpickles dicts of arrays, and nothing that could run code."""

import functools
import io
import pickle
from typing import Any

import numpy as np


def unpickle_arrays(content: bytes, where: str) -> Any:
    """Reads a pickle of plain values and arrays of numbers, from Python 2 or 3.

    A pickle names functions to call, which may be any; only those that make arrays are
    there, and not NumPy's own, which trust what a pickle says of memory. Arrays are
    those of a dict. Strings of Python 2 become bytes. `where` names the pickle in a
    ValueError.
    """
    try:
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if isinstance(found, dict):
            return {
                k: v.array if isinstance(v, _Array) else v for k, v in found.items()
            }
        return found
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
        return functools.partial(_ALLOWED[package, name])  # a pickle may change it


class _Dtype:
    def __init__(self, code: Any, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biufS":
            raise ValueError(f"an array of {self.dtype}")

    def __setstate__(self, state: Any) -> None:
        order: Any = state[1]
        order = order.decode() if isinstance(order, bytes) else order
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    array = np.zeros(0, np.int8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, is_fortran, content = state
        order = "F" if is_fortran else "C"
        self.array = np.frombuffer(content, kind.dtype).reshape(shape, order=order)


def _from_buffer(buffer: Any, kind: _Dtype, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.__setstate__((1, shape, kind, order == "F", buffer))
    return made


def _encode(text: str, encoding: str) -> bytes:
    """Makes bytes, which Python 3 writes as text where it writes for Python 2."""
    if encoding != "latin1":
        raise ValueError(f"bytes as {encoding}")
    return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy", "ndarray"): _Array,  # named, and never called
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}
